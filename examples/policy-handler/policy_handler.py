"""Mypage as a service of its own: follows the topic `reservation` and keeps what it learns in its
own Redis.

    python policy_handler.py                    follows the topic, until it is stopped
    python policy_handler.py --show CUSTOMER    prints a customer's reservations from Redis

An offset is committed only after what was read up to it stands in Redis, so nothing is lost when
this is killed; what it then reads again is known by its place in the reservation's timeline (`seq`)
and changes nothing.
"""

import argparse
import json
import signal
import sys
import threading

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from redis import Redis

# Judged and written by Redis in one step: two of these may run, and each event counts once.
APPLY = """
if tonumber(redis.call('hget', KEYS[1], 'seq') or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('hset', KEYS[1], 'seq', ARGV[1], unpack(ARGV, 3))
redis.call('sadd', KEYS[2], ARGV[2])
return 1
"""


def changes(event):
    """What an event says about the reservation, as mypage shows it."""
    shown = {
        "movieName": event["movieName"],
        "theaterName": event["theaterName"],
        "startsAt": event["startsAt"],
        "status": event["reservationStatus"],
    }
    if "partySize" in event:
        shown["seatQty"] = event["partySize"]
    if "paymentId" in event:
        shown["paymentId"] = event["paymentId"]
    if event["eventType"] in ("SeatAssigned", "SeatChanged"):
        shown["seats"] = " ".join(event["seatNumbers"])
    return shown


def apply(redis, event):
    """False: it was known already."""
    reservation = event["reservationId"]
    keys = [f"reservation:{reservation}", f"customer:{event['customerId']}"]
    fields = [text for pair in changes(event).items() for text in pair]
    return redis.eval(APPLY, len(keys), *keys, event["seq"], reservation, *fields) == 1


def follow(redis, options, stopped):
    """Until it is stopped. While no broker is there it waits for one."""
    while not stopped.is_set():
        try:
            consume(redis, options, stopped)
        except KafkaError as error:
            # What was not committed comes again, to this one or to another of the group.
            print(f"begins again: {error}", file=sys.stderr, flush=True)
            stopped.wait(1)


def consume(redis, options, stopped):
    consumer = KafkaConsumer(
        options.topic,
        group_id="policy-handler",
        bootstrap_servers=options.kafka,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        while not stopped.is_set():
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    event = json.loads(record.value)
                    word = "" if apply(redis, event) else " (known)"
                    told = event["reservationId"], event["seq"], event["eventType"] + word
                    print(*told, flush=True)
            consumer.commit()
    finally:
        consumer.close()


def show(redis, customer):
    for reservation in sorted(redis.smembers(f"customer:{customer}")):
        kept = redis.hgetall(f"reservation:{reservation}")
        print(json.dumps({"reservationId": reservation, **kept}, ensure_ascii=False))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kafka", default="localhost:9092")
    parser.add_argument("--topic", default="reservation")
    parser.add_argument("--redis", default="redis://localhost:6379/0")
    parser.add_argument("--show", metavar="CUSTOMER")
    options = parser.parse_args()
    redis = Redis.from_url(options.redis, decode_responses=True)
    if options.show:
        show(redis, options.show)
        return
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    follow(redis, options, stopped)


if __name__ == "__main__":
    main()
