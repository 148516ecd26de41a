"""Stands where the Jupyter server does, and adds next to nothing: what the streamer costs by itself is measured here.

`python -m tests.bench.streaming.front SOCKET PORT`: the viewer page and its files, and in front of the streamer's
socket two threads for each connection that move bytes. Whoever comes is the owner. For the bench only.
"""

from __future__ import annotations

import json
import mimetypes
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

import streamspace_proxy

STATIC = Path(streamspace_proxy.__file__).parent / "static"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>bench</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="static/viewer.css">
<script type="application/json" id="streamspace-config">{config}</script>
<script type="module" src="static/viewer.js"></script></head><body></body></html>"""
CONFIG = {"app": {"name": "bench", "title": "bench"}, "hub": None, "view": False, "xsrf": ""}


def serve(streamer: str, port: int) -> None:
    """Serve until ended."""
    with socket.create_server(("127.0.0.1", port), backlog=64) as server:
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=answer, args=(connection, streamer), daemon=True).start()


def answer(connection: socket.socket, streamer: str) -> None:
    """One connection: one request."""
    with connection, suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return
            head += more
        path = head.split(b" ")[1].split(b"?")[0].decode()
        if path in ("/ws", "/rfb") or path.startswith("/api/"):
            with socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(streamer)
                request, _, rest = head.partition(b"\r\n")
                upstream.sendall(request + b"\r\nX-Streamspace-User: bench\r\nX-Streamspace-Role: owner\r\n" + rest)
                back = threading.Thread(target=pump, args=(upstream, connection), daemon=True)
                back.start()
                pump(connection, upstream)
                back.join()
        else:
            send_file(connection, path)


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(262144):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def send_file(connection: socket.socket, path: str) -> None:
    kind, body = "text/html", PAGE.format(config=json.dumps(CONFIG)).encode()
    if path != "/":
        file = STATIC / path.removeprefix("/static/")
        if not file.is_file() or ".." in path:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        kind, body = mimetypes.guess_type(file)[0] or "application/octet-stream", file.read_bytes()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + body)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
