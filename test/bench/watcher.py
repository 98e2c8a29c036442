# SPDX-License-Identifier: AGPL-3.0-or-later
"""Asks each second for the metrics of the addresses that it is given, as a Prometheus does that keeps its connections, and for the
first page of the dashboard at the first of them, which it has open as well, as a browser does."""
import http.client
import socket
import sys
import time

METRICS, DASHBOARD = 5210, 80


def ask(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    if answer.status != 200 or not answer.read():
        raise SystemExit(f"{connection.host}{path}: {answer.status}")


def open_live(host):
    live = socket.create_connection((host, DASHBOARD), 5)
    live.sendall(f"GET /live HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    begin = live.recv(1 << 16)
    if not begin.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"{host}/live: {begin[:40]!r}")
    live.setblocking(False)
    return live


def main():
    hosts = sys.argv[1:]
    asked = [(http.client.HTTPConnection(host, METRICS, timeout=5), "/metrics") for host in hosts]
    asked.append((http.client.HTTPConnection(hosts[0], DASHBOARD, timeout=5), "/"))
    live = open_live(hosts[0])
    due = time.monotonic()
    while True:
        for connection, path in asked:
            ask(connection, path)
        read_all(live)
        print("watched", flush=True)
        due += 1
        time.sleep(max(0, due - time.monotonic()))


def read_all(sock):
    """What has come; who does not read is hung up on."""
    try:
        while sock.recv(1 << 16):
            pass
    except BlockingIOError:
        return
    raise SystemExit("the live page has ended")


if __name__ == "__main__":
    main()
