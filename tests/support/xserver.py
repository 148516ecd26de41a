"""A real Xtigervnc in a folder of its own, for tests; and small X clients to look at what arrives in it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.waiting import PATIENCE, eventually


@dataclass
class XServer:
    """A running X server: where it is, and a way to start clients that end with it."""

    folder: Path
    display: str
    process: subprocess.Popen[bytes]
    clients: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def xauthority(self) -> Path:
        return self.folder / "Xauthority"

    @property
    def rfb_path(self) -> Path:
        return self.folder / "rfb.sock"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DISPLAY": self.display,
            "XAUTHORITY": str(self.xauthority),
            "LC_ALL": "C.UTF-8",
        }

    def start(self, *command: str, **options: object) -> subprocess.Popen[bytes]:
        """Start an X client; it is ended with the server."""
        client: subprocess.Popen[bytes] = subprocess.Popen(
            command, env=self.environment, start_new_session=True, **options
        )  # type: ignore[call-overload]
        self.clients.append(client)
        return client

    def output(self, *command: str) -> str:
        """Run an X client to its end and return what it printed."""
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=PATIENCE
        ).stdout


def write_xauthority(path: Path, display: str, cookie: bytes) -> None:
    """One MIT-MAGIC-COOKIE-1 for `display` on any host (family 0xffff, FamilyWild)."""
    name = b"MIT-MAGIC-COOKIE-1"
    number = display.removeprefix(":").encode()
    fields = b"".join(struct.pack(">H", len(item)) + item for item in (b"", number, name, cookie))
    path.write_bytes(b"\xff\xff" + fields)
    path.chmod(0o600)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started in a session of its own, with its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


@contextlib.contextmanager
def x_server(*arguments: str, geometry: str = "800x600", cookie: bytes | None = None) -> Iterator[XServer]:
    """Start Xtigervnc as the desktop does: own display number, cookie, RFB on a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    server_auth = folder / "server-auth"
    cookie = cookie or secrets.token_bytes(16)
    write_xauthority(server_auth, "", cookie)
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [
            "Xtigervnc", "-displayfd", str(writer), "-auth", str(server_auth), "-geometry", geometry, "-depth", "24",
            "-rfbunixpath", str(folder / "rfb.sock"), "-rfbport", "-1", "-SecurityTypes", "None",
            "-SendCutText=0", "-AcceptCutText=0", "-nolisten", "tcp", "-noreset", "-extension", "SECURITY", *arguments,
        ],
        pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=(folder / "x.log").open("wb"), start_new_session=True,
    )  # fmt: skip
    os.close(writer)
    server = None
    try:
        with os.fdopen(reader, "rb") as numbers:
            display = ":" + numbers.readline().decode().strip()
        assert display != ":", (folder / "x.log").read_text()
        write_xauthority(folder / "Xauthority", display, cookie)
        server = XServer(folder, display, process)
        eventually(server.rfb_path.exists, "the RFB socket")
        yield server
    finally:
        for client in reversed(server.clients if server else []):
            end(client)
        end(process)
        shutil.rmtree(folder, ignore_errors=True)
