"""Whether an X server is alive and which windows it has, asked by a connection of its own. No event loop is needed."""

from __future__ import annotations

import socket
import struct

from streamspace_proxy.desktop import x11
from streamspace_proxy.desktop.screen import SOCKETS

LIMIT = 10.0
"""Seconds that an X server gets to answer."""


def top_windows(display: str, cookie: bytes) -> tuple[int, ...]:
    """Return the children of the root window of `display` (`:5`); raises OSError when it does not answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(LIMIT)
        connection.connect(SOCKETS + display.removeprefix(":"))
        connection.sendall(x11.setup(cookie))
        head = _exactly(connection, 8)
        answer = _exactly(connection, 4 * struct.unpack_from("<H", head, 6)[0])
        if head[0] != 1:
            raise ConnectionRefusedError(answer[: head[1]].decode("latin-1"))
        connection.sendall(x11.query_tree(x11.root_window(answer)))
        reply = _exactly(connection, 32)
        if reply[0] != x11.REPLY:
            raise ConnectionError("the X server does not name its windows")
        return x11.tree_reply(reply + _exactly(connection, 4 * struct.unpack_from("<I", reply, 4)[0]))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionResetError("the X server has closed the connection")
        data += part
    return data
