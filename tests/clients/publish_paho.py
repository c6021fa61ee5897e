"""Publishes positions with paho, the client that Python devices use, and waits for every acknowledgement.

publish_paho.py HOST PORT SENSOR COUNT [--v5] [--qos N]
"""

import argparse
import json
import time

from paho.mqtt import client as mqtt


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("sensor")
    parser.add_argument("count", type=int)
    parser.add_argument("--v5", action="store_true")
    parser.add_argument("--qos", type=int, default=1)
    return parser.parse_args()


def new_client(name, v5):
    options = {"client_id": name, "protocol": mqtt.MQTTv5 if v5 else mqtt.MQTTv311}
    # paho 2 asks which kind of callbacks it is given; there are none here.
    if hasattr(mqtt, "CallbackAPIVersion"):
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, **options)
    return mqtt.Client(**options)


def main():
    asked = arguments()
    client = new_client(asked.sensor, asked.v5)
    client.connect(asked.host, asked.port)
    client.loop_start()
    topic = f"footfall/main/{asked.sensor}/positions"
    sent = []
    for i in range(asked.count):
        payload = {"traveler_id": f"{asked.sensor}-{i}", "x": i, "y": 1.5}
        sent.append(client.publish(topic, json.dumps(payload), qos=asked.qos))
    deadline = time.monotonic() + 30
    while not all(message.is_published() for message in sent):
        if time.monotonic() > deadline:
            raise SystemExit("not everything was acknowledged within 30 s")
        time.sleep(0.01)
    client.disconnect()
    client.loop_stop()


main()
