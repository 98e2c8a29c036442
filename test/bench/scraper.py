# SPDX-License-Identifier: AGPL-3.0-or-later
"""Asks for the metrics of the addresses that it is given, each once a second, as a Prometheus does that keeps its connections."""
import http.client
import sys
import time

PORT = 5210


def main():
    asked = [http.client.HTTPConnection(address, PORT, timeout=5) for address in sys.argv[1:]]
    due = time.monotonic()
    while True:
        for connection in asked:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            if answer.status != 200 or not answer.read():
                raise SystemExit(f"{connection.host}: {answer.status}")
        print("scraped", flush=True)
        due += 1
        time.sleep(max(0, due - time.monotonic()))


if __name__ == "__main__":
    main()
