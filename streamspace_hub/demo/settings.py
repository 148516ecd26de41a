"""What the demo is told by its environment, checked, and where it keeps its state. Starts nothing."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

USER = "demo"
ADMIN = "admin"
SHORTEST_PASSWORD = 8
ROOT_FOLDER = Path("/var/lib/streamspace/demo")


class DemoError(Exception):
    """The demo can't go on; the text is one sentence for the person who started it."""


@dataclass(frozen=True)
class DemoSettings:
    """One run of the demo."""

    port: int
    folder: Path
    password: str
    password_is_ours: bool
    """Made for this run, and so to be printed; a password from the environment is never printed."""
    as_root: bool

    @property
    def url(self) -> str:
        """Where the hub answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def account_template(self) -> str:
        """System accounts of the demo's users, when run as root: other folders have other homes, so other accounts."""
        if self.folder == ROOT_FOLDER:
            return "streamspace-{username}"
        return f"streamspace-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:6]}-{{username}}"

    @property
    def log(self) -> Path:
        """The hub's log."""
        return self.folder / "hub.log"


def read_settings(environ: Mapping[str, str]) -> DemoSettings:
    """Return the settings that `environ` asks for.

    Raises:
        DemoError: a `STREAMSPACE_*` variable has a value that can't be used.
    """
    as_root = os.geteuid() == 0
    password = environ.get("STREAMSPACE_DEMO_PASSWORD", "")
    if password and len(password) < SHORTEST_PASSWORD:
        raise DemoError(f"STREAMSPACE_DEMO_PASSWORD needs at least {SHORTEST_PASSWORD} characters.")
    return DemoSettings(
        port=_port(environ.get("STREAMSPACE_PORT", "8000")),
        folder=_folder(environ, as_root=as_root),
        password=password or secrets.token_urlsafe(9),
        password_is_ours=not password,
        as_root=as_root,
    )


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = 0
    if not 1 <= port <= 65535:
        raise DemoError(f"STREAMSPACE_PORT is {text!r}; it takes a port number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            raise DemoError(
                f"Port {port} can't be used ({problem.strerror}). "
                "Stop what listens there, or choose another one: STREAMSPACE_PORT=8001 make demo"
            ) from None
    return port


def _folder(environ: Mapping[str, str], *, as_root: bool) -> Path:
    given = environ.get("STREAMSPACE_DEMO_DIR")
    if given:
        folder = Path(given).expanduser().absolute()
    elif as_root:
        folder = ROOT_FOLDER
    else:
        folder = Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "streamspace-demo"
    try:
        # Sessions' accounts walk through it to their homes; what is secret in it has modes of its own.
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as problem:
        raise DemoError(f"STREAMSPACE_DEMO_DIR: {folder} can't be written ({problem.strerror}).") from None
    return folder
