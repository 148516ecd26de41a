"""Run the demo's hub in the foreground: start it, say where it is, end all of it on Ctrl-C."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

from streamspace_hub.demo.settings import ADMIN, USER, DemoError, DemoSettings, free_port, read_settings

__all__ = ["DemoError", "run_demo"]

START_LIMIT = 60.0
STOP_LIMIT = 30.0
RESTARTS = 3
"""A hub that ended by itself is started again (sessions go on meanwhile), so often within `RESTART_WINDOW` seconds."""
RESTART_WINDOW = 60.0
PR_SET_PDEATHSIG = 1


class Interrupted(Exception):  # noqa: N818 - not an error
    """Ctrl-C or SIGTERM."""


def run_demo() -> int:
    """Run until Ctrl-C; return the exit status.

    Raises:
        DemoError: something is missing or in the way; the text says what, and what to do.
    """
    if shutil.which("configurable-http-proxy") is None:
        raise DemoError(
            "configurable-http-proxy is missing: npm install -g configurable-http-proxy (`make demo` does it)."
        )
    settings = read_settings(os.environ)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        _supervise(settings)
    except Interrupted:
        _say("The demo has ended; homes and files stay in " + str(settings.folder))
        return 0
    return 1


def _supervise(settings: DemoSettings) -> None:
    starts: list[float] = []
    # The same ones for each start: running servers know the hub by its port.
    ports = {"hub_port": free_port(), "proxy_api_port": free_port(), "service_port": free_port()}
    while True:
        starts = [start for start in starts if time.monotonic() - start < RESTART_WINDOW] + [time.monotonic()]
        if len(starts) > RESTARTS:
            raise DemoError(
                f"The hub ended {RESTARTS} times within a minute. Its log: {settings.log}\n{_tail(settings.log)}"
            )
        hub = _start_hub(settings, ports)
        try:
            _wait_until_ready(hub, settings)
            if len(starts) == 1:
                _announce(settings)
            status = hub.wait()
        finally:
            _end(hub)
        _say(f"The hub ended by itself (status {status}); starting it again. Sessions go on meanwhile.")


def _start_hub(settings: DemoSettings, ports: dict[str, int]) -> subprocess.Popen[bytes]:
    run = {
        "url": settings.url,
        "folder": str(settings.folder),
        "password": settings.password,
        "account_template": settings.account_template if settings.as_root else None,
        "jupyter_config": str(Path(__file__).with_name("jupyter")),
        **ports,
    }
    # Sessions' accounts walk through the folder, and SQLite makes files that everybody may read.
    for name in ("hub.sqlite", "streamspace.sqlite"):
        os.close(_private(f"{settings.folder}/{name}", os.O_RDWR | os.O_CREAT))
    config = Path(__file__).with_name("jupyterhub_config.py")
    with open(settings.log, "ab", opener=_private) as log:
        return subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)],
            cwd=settings.folder,
            env={**_environment(), "STREAMSPACE_DEMO_RUN": json.dumps(run)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )


def _environment() -> dict[str, str]:
    """Our own environment without what a hub, or an earlier sign-in, must not see."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTERHUB_", "STREAMSPACE_DEMO_"))}


def _wait_until_ready(hub: subprocess.Popen[bytes], settings: DemoSettings) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if hub.poll() is not None:
            raise DemoError(f"The hub did not start. Its log: {settings.log}\n{_tail(settings.log)}")
        try:
            with urllib.request.urlopen(f"{settings.url}/hub/health", timeout=2):  # noqa: S310 - our own http URL
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise DemoError(
        f"The hub did not answer within {START_LIMIT:.0f} s. Its log: {settings.log}\n{_tail(settings.log)}"
    )


def _announce(settings: DemoSettings) -> None:
    password = settings.password if settings.password_is_ours else "(the one in STREAMSPACE_DEMO_PASSWORD)"
    if not settings.as_root:
        _say("Not run as root: all sessions run as you, and share your files. Run it as root to keep users apart.")
    _say(
        f"Open {settings.url} and sign in as {USER} (or {ADMIN}) with the password {password}   [Ctrl-C ends the demo]"
    )


def _end(hub: subprocess.Popen[bytes]) -> None:
    """End the hub; it ends its servers and its proxy itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if hub.poll() is None:
        hub.send_signal(signal.SIGTERM)
        try:
            hub.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            hub.kill()
            hub.wait()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def _die_with_parent() -> None:
    # The demo killed outright still ends its hub, and so the sessions. prctl(2).
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def _say(text: str) -> None:
    print(text, flush=True)
