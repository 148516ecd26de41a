"""CRIU's images as streams, instead of files in a folder (criu(8), `--stream`). Knows no image's contents.

CRIU connects to a socket in its images folder, names each image that it opens, and hands over one end of a pipe. So
nothing that was in memory touches a disk but in the form that whoever takes it gives it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from streamspace_proxy.desktop.processes import descendants

Flow = Callable[[str, int], None]
"""What takes an image's name and a pipe, and reads from it (capture) or writes to it (serve) to the end."""
_SOCKETS = {"capture": "streamer-capture.sock", "serve": "streamer-serve.sock"}
_LONGEST_REQUEST = 4096
_PIPE_SIZE = 1 << 20
_JOIN_LIMIT = 60.0
"""Seconds that what is still in pipes gets when CRIU has ended."""


class ImageStream:
    """The other side of CRIU for one dump (`capture`) or restore (`serve`, of the images that `has` knows)."""

    def __init__(
        self, mode: Literal["capture", "serve"], flow: Flow, has: Callable[[str], bool] = lambda name: True
    ) -> None:
        self._mode, self._flow, self._has = mode, flow, has
        self._threads: list[threading.Thread] = []
        self._latest: dict[str, threading.Thread] = {}
        self._errors: list[Exception] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        # Short, as the path of a socket has to be.
        self.folder = Path(tempfile.mkdtemp(prefix="streamspace-"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / _SOCKETS[mode]))
        self._listener.listen(1)

    @property
    def error(self) -> Exception | None:
        """What has gone wrong first with the images themselves."""
        return self._errors[0] if self._errors else None

    def start(self, process: subprocess.Popen[bytes]) -> None:
        """Attend to `process`, which is CRIU; it is made to end when an image cannot be taken or given."""
        self._process = process
        self._start(self._attend)

    def close(self, *, whole: bool) -> None:
        """Wait until all has flowed, once CRIU has ended: when a restore was not `whole`, nobody may ever read it."""
        for end in (self._listener, self._connection):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        if whole or self._mode == "capture":
            for thread in self._threads:  # the first adds to them until it ends
                thread.join(_JOIN_LIMIT)
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, target: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _attend(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while self._connection is None:
                connection, _ = self._listener.accept()
                if self._is_criu(connection):
                    self._connection = connection
                else:
                    connection.close()
        if self._connection is None:
            return
        with self._connection as connection, contextlib.suppress(EOFError, ConnectionError):
            while True:
                self._answer(connection)

    def _is_criu(self, connection: socket.socket) -> bool:
        """Whether it is CRIU, and no other program of the same user."""
        assert self._process is not None
        peer = int.from_bytes(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little")
        return peer == self._process.pid or peer in descendants(self._process.pid)

    def _answer(self, connection: socket.socket) -> None:
        """Take one request: its size, ImgStreamerRequestEntry (protocol buffers), and the pipe."""
        size = int.from_bytes(_exactly(connection, 4), "little")
        name = _name(_exactly(connection, min(size, _LONGEST_REQUEST)))
        if self._mode == "serve":
            known = self._has(name)
            connection.sendall(b"\x02\0\0\0\x08" + bytes([known]))  # ImgStreamerReplyEntry
            if not known:
                return
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
        if not descriptors:
            raise EOFError
        before = self._latest.get(name) if self._mode == "capture" else None
        self._latest[name] = self._start(self._carry, name, descriptors[0], before)

    def _carry(self, name: str, pipe: int, before: threading.Thread | None) -> None:
        try:
            if before is not None:  # CRIU opens some twice: as with files, the later one replaces the other
                before.join()
            with contextlib.suppress(OSError):  # more than the user may have
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
            self._flow(name, pipe)
        except Exception as error:  # told when CRIU has ended
            self._errors.append(error)
            if self._mode == "serve":  # it would take what is there for all, and may never end
                assert self._process is not None
                self._process.kill()
            # In a dump it finds its pipe closed, and takes itself out of the programs before it gives up.
        finally:
            os.close(pipe)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _name(message: bytes) -> str:
    """Return the one field of the request, a string shorter than 128 bytes."""
    if message[:1] != b"\x0a" or len(message) != 2 + message[1] or b"/" in message:
        raise EOFError
    return message[2:].decode()
