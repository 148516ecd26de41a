"""jupyter-remote-desktop-proxy 3: TigerVNC in a Jupyter server behind jupyter-server-proxy, with the page it brings."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from streamspace_hub.demo.settings import free_port
from tests.bench.processes import tree
from tests.bench.streaming.peers.hub import peer_hub
from tests.bench.streaming.peers.hub import programs as installed
from tests.bench.streaming.running import ended
from tests.bench.streaming.variant import Size, Target, Variant

TOP_BAR = Size(0, 36)
TOKEN = "bench"


@contextmanager
def start(size: Size) -> Iterator[Target]:
    """A Jupyter server; it starts the X server when the page asks for it, and the page sets its size."""
    programs = installed()
    with tempfile.TemporaryDirectory(prefix="ss-jrdp-") as folder, contextlib.ExitStack() as stack:
        port = free_port()
        log = stack.enter_context(open(f"{folder}/jupyter.log", "wb"))
        server = subprocess.Popen(
            [programs / "jupyter-server", f"--port={port}", f"--IdentityProvider.token={TOKEN}", "--no-browser",
             "--ServerApp.allow_root=True", "--ServerApp.open_browser=False"],
            env=_inherited() | _environment(programs, Path(folder)), cwd=folder,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        with ended(server, port):
            yield Target(
                url=f"http://127.0.0.1:{port}/desktop/?token={TOKEN}",
                display=lambda: _display(_x(server.pid)),
                parts=lambda: _apart({"jupyter": tree(server.pid)}, _x(server.pid)),
                margin=TOP_BAR,
            )


@contextmanager
def start_in_hub(size: Size) -> Iterator[Target]:
    """The same in the server of a hub's user: the whole way that a user has."""
    with tempfile.TemporaryDirectory(prefix="ss-jrdp-") as folder, contextlib.ExitStack() as stack:
        hub = stack.enter_context(peer_hub(_environment(installed(), Path(folder))))
        server = hub.process.pid
        yield Target(
            url=hub.at("desktop/"),
            display=lambda: _display(_x(server)),
            parts=lambda: _apart(hub.parts(), _x(server)),
            prepare=hub.sign_in,
            margin=TOP_BAR,
        )


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DISPLAY")}


def _environment(programs: Path, folder: Path) -> dict[str, str]:
    # Debian calls it tigervncserver, and its own xstartup would start a whole desktop.
    tools, startup = folder / "bin", folder / "xstartup"
    tools.mkdir()
    (tools / "vncserver").symlink_to("/usr/bin/tigervncserver")
    # Does nothing, and ends with the X server, which outlives who started it.
    startup.write_text("#!/bin/sh\nexec xprop -root -spy _NOTHING > /dev/null 2>&1\n")
    startup.chmod(0o755)
    return {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PATH": f"{tools}:{programs}:{os.environ['PATH']}",
        "JUPYTER_REMOTE_DESKTOP_PROXY_XSTARTUP": str(startup),
    }


def _x(server: int) -> psutil.Process:
    return next(process for process in tree(server) if "Xtigervnc" in process.cmdline()[0])


def _display(x: psutil.Process) -> dict[str, str]:
    command = x.cmdline()
    return {"DISPLAY": command[1], "XAUTHORITY": command[command.index("-auth") + 1]}


def _apart(parts: dict[str, list[psutil.Process]], x: psutil.Process) -> dict[str, list[psutil.Process]]:
    others = {part: [process for process in processes if process != x] for part, processes in parts.items()}
    return {"x": [x], **others}


VARIANTS = [
    Variant("jupyter-remote-desktop", start, install=installed),
    Variant("jupyter-remote-desktop-hub", start_in_hub, install=installed),
]
