"""Prints each record of a topic as a line of JSON.

consumer.py BROKERS TOPIC          all that there is now
consumer.py BROKERS TOPIC GROUP    what a member of this group gets, until standard input ends
"""

import json
import select
import sys

from kafka import KafkaConsumer, TopicPartition


def show(record):
    headers = {name: value.decode() for name, value in record.headers}
    line = {"key": record.key.decode(), "value": json.loads(record.value), "headers": headers}
    print(json.dumps(line), flush=True)


def everything(brokers, topic):
    consumer = KafkaConsumer(bootstrap_servers=brokers, auto_offset_reset="earliest")
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    ends = consumer.end_offsets(partitions)
    unread = {partition for partition in partitions if ends[partition] > 0}
    consumer.assign(partitions)
    while unread:
        for partition, records in consumer.poll(timeout_ms=500).items():
            for record in records:
                show(record)
                if record.offset + 1 >= ends[partition]:
                    unread.discard(partition)


def share(brokers, topic, group):
    consumer = KafkaConsumer(
        topic, bootstrap_servers=brokers, group_id=group, auto_offset_reset="earliest"
    )
    while not select.select([sys.stdin], [], [], 0)[0]:
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                show(record)
    consumer.close()


if len(sys.argv) == 4:
    share(*sys.argv[1:])
else:
    everything(*sys.argv[1:])
