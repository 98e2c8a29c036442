# SPDX-License-Identifier: AGPL-3.0-or-later
"""The WebSocket layer of the control link against python3-websockets, an independent implementation, in both roles."""
import asyncio
import os
import subprocess
import sys

import websockets

ECHO = sys.argv[1]


async def expect_close(url, message, code):
    async with websockets.connect(url) as ws:
        await ws.send(message)
        try:
            await asyncio.wait_for(ws.recv(), 10)
        except websockets.ConnectionClosed as e:
            assert e.rcvd is not None and e.rcvd.code == code, (message[:8], e)
            return
        raise AssertionError(f"{message[:8]!r} was answered")


async def as_client(port):
    url = f"ws://127.0.0.1:{port}/control"
    async with websockets.connect(url) as ws:
        for size in (0, 1, 125):
            pong = await ws.ping(os.urandom(size))
            await asyncio.wait_for(pong, 10)
    await expect_close(url, os.urandom(96), 1008)
    await expect_close(url, b"", 1008)
    await expect_close(url, "text", 1003)
    await expect_close(url, bytes(70000), 1009)
    try:
        async with websockets.connect(f"ws://127.0.0.1:{port}/other"):
            raise AssertionError("another path was upgraded")
    except websockets.InvalidStatusCode as e:
        assert e.status_code == 404, e


async def as_server():
    seen = []

    async def handler(ws):
        seen.append((ws.path, await ws.recv()))
        pong = await ws.ping(b"are you there")
        await asyncio.wait_for(pong, 10)
        await ws.send(bytes(72))  # no answer of Noise

    async with websockets.serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        p = await asyncio.create_subprocess_exec(ECHO, str(port), stdout=subprocess.PIPE)
        out, _ = await asyncio.wait_for(p.communicate(), 10)
    assert p.returncode == 0
    assert b"is not the one of the join token" in out, out
    (path, hello), = seen
    assert path == "/control" and isinstance(hello, bytes) and 96 < len(hello) < 200, (path, hello)


def main():
    with subprocess.Popen([ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        asyncio.run(as_client(int(server.stdout.readline())))
        server.stdin.close()
        assert server.wait(10) == 0
    asyncio.run(as_server())


main()
