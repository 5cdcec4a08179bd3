"""A team that was not there before: ranks films by tickets and lists who did not come.

    python marketing.py              follows `GET /events`, and prints both whenever they change
    python marketing.py --once       reads what there is, prints both, and ends

Nothing but Python is needed, and nothing of Marquee is changed for it.
"""

import argparse
import collections
import json
import urllib.request


class Report:
    """What the events so far say."""

    def __init__(self):
        self.tickets = collections.Counter()
        self.came = set()
        self.no_shows = []

    def learn(self, event):
        """True: the report has changed."""
        kind, film = event["eventType"], event["movieName"]
        if kind == "TicketReserved":
            self.tickets[film] += 1
        elif kind == "TicketCancelled":
            self.tickets[film] -= 1
        elif kind == "TicketUsed":
            self.came.add(event["reservationId"])
            return False
        elif kind == "ShowCompleted" and event["reservationId"] not in self.came:
            self.no_shows.append((event["customerId"], film, event["startsAt"]))
        else:
            return False
        return True

    def show(self):
        ranking = (+self.tickets).most_common(10)
        print(json.dumps({"ranking": ranking, "noShows": self.no_shows}, ensure_ascii=False), flush=True)


def pages(root, wait):
    """All events in order; without an end where it is told to wait."""
    after = 0
    while True:
        url = f"{root}/events?after={after}&limit=1000&wait={wait}"
        request = urllib.request.Request(url, headers={"X-Role": "partner"})
        with urllib.request.urlopen(request, timeout=wait + 30) as answer:
            page = json.load(answer)
        if not page["items"] and not wait:
            return
        yield [item["event"]["data"] for item in page["items"]]
        after = page["nextAfter"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--marquee", default="http://localhost:8088")
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    report = Report()
    for events in pages(options.marquee, 0 if options.once else 20):
        if any([report.learn(event) for event in events]) and not options.once:
            report.show()
    report.show()


if __name__ == "__main__":
    main()
