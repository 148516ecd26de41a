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
from tests.bench.streaming.peers.installing import python_environment
from tests.bench.streaming.running import ended
from tests.bench.streaming.variant import Size, Target, Variant

REQUIREMENTS = ("jupyter-remote-desktop-proxy==3.*", "jupyter-server-proxy==4.*", "jupyter_server==2.*")
TOP_BAR = Size(0, 36)
TOKEN = "bench"


@contextmanager
def start(size: Size) -> Iterator[Target]:
    """A Jupyter server; it starts the X server when the page asks for it, and the page sets its size."""
    programs = python_environment("jupyter-remote-desktop-proxy", *REQUIREMENTS)
    with tempfile.TemporaryDirectory(prefix="ss-jrdp-") as folder, contextlib.ExitStack() as stack:
        port = free_port()
        log = stack.enter_context(open(f"{folder}/jupyter.log", "wb"))
        server = subprocess.Popen(
            [programs / "jupyter-server", f"--port={port}", f"--IdentityProvider.token={TOKEN}", "--no-browser",
             "--ServerApp.allow_root=True", "--ServerApp.open_browser=False"],
            env=_environment(programs, Path(folder)), cwd=folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        with ended(server, port):
            yield Target(
                url=f"http://127.0.0.1:{port}/desktop/?token={TOKEN}",
                display=lambda: {"DISPLAY": _x(server.pid).cmdline()[1], "XAUTHORITY": f"{folder}/.Xauthority"},
                parts=lambda: _parts(server.pid),
                margin=TOP_BAR,
            )


def _environment(programs: Path, folder: Path) -> dict[str, str]:
    # Debian calls it tigervncserver, and its own xstartup would start a whole desktop.
    tools, startup = folder / "bin", folder / "xstartup"
    tools.mkdir()
    (tools / "vncserver").symlink_to("/usr/bin/tigervncserver")
    # Does nothing, and ends with the X server, which outlives who started it.
    startup.write_text("#!/bin/sh\nexec xprop -root -spy _NOTHING > /dev/null 2>&1\n")
    startup.chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DISPLAY")}
    return {
        **inherited,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PATH": f"{tools}:{programs}:{os.environ['PATH']}",
        "JUPYTER_REMOTE_DESKTOP_PROXY_XSTARTUP": str(startup),
    }


def _x(server: int) -> psutil.Process:
    return next(process for process in tree(server) if "Xtigervnc" in process.cmdline()[0])


def _parts(server: int) -> dict[str, list[psutil.Process]]:
    x = _x(server)
    return {"x": [x], "jupyter": [process for process in tree(server) if process.pid != x.pid]}


VARIANTS = [Variant("jupyter-remote-desktop", start)]
