"""A webhook endpoint: believes what is signed, and keeps each event once.

    WEBHOOK_SECRET=whsec_... python receiver.py --port 9000
"""

import argparse
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

BODY_BYTES_MAX = 64 * 1024

# In earnest: a table, written together with what the event changes.
seen = set()


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if length > BODY_BYTES_MAX:
            return self.answer(413)
        body = self.rfile.read(length)
        try:
            # It also refuses what was signed more than five minutes ago.
            event = self.server.webhook.verify(body, dict(self.headers))
        except WebhookVerificationError:
            return self.answer(401)
        # The same event may come again, always under the same id.
        if self.headers["webhook-id"] not in seen:
            seen.add(self.headers["webhook-id"])
            print(json.dumps({"id": self.headers["webhook-id"], **event}), flush=True)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=9000)
    server = ThreadingHTTPServer(("127.0.0.1", options.parse_args().port), Endpoint)
    server.webhook = Webhook(os.environ["WEBHOOK_SECRET"])
    server.serve_forever()


if __name__ == "__main__":
    main()
