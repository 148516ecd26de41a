"""Selkies 2.1 on Xvfb, as its own launcher starts it, in both modes. Without sound: that is not what is compared."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil

from streamspace_hub.demo.settings import free_port
from tests.bench.processes import tree
from tests.bench.streaming.peers.hub import in_hub
from tests.bench.streaming.peers.installing import python_environment
from tests.bench.streaming.running import ended, x_server
from tests.bench.streaming.variant import Size, Target, Variant

# The screen can grow up to this; what a page asks for is set inside.
XVFB = ("Xvfb", "-screen", "0", "8192x4096x24", "-s", "0", "-dpms", "+extension", "GLX")


def installed() -> Path:
    """The `bin` folder with Selkies."""
    return python_environment("selkies", "selkies==2.1.*")


@contextmanager
def start(mode: str, size: Size) -> Iterator[Target]:
    """Xvfb and Selkies' server, whose page makes the screen as large as itself."""
    programs = installed()
    with tempfile.TemporaryDirectory(prefix="ss-selkies-") as folder, contextlib.ExitStack() as stack:
        display, x = stack.enter_context(x_server(*XVFB, log=Path(folder, "x.log")))
        environment = {**os.environ, **display, "HOME": folder, "XDG_RUNTIME_DIR": folder, "PYTHONPATH": ""}
        resize = [str(programs / "selkies"), "resize", str(size)]
        subprocess.run(resize, env=environment, check=True, capture_output=True)
        port = free_port()
        log = stack.enter_context(open(f"{folder}/selkies.log", "wb"))
        server = subprocess.Popen(
            [
                programs / "selkies", f"--port={port}", f"--mode={mode}", "--enable-basic-auth=false",
                "--audio-enabled=false", "--microphone-enabled=false", "--gamepad-enabled=false",
                "--webcam-enabled=false", "--ui-show-sidebar=false",
            ],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        with ended(server, port):
            yield Target(
                url=f"http://127.0.0.1:{port}/",
                display=lambda: display,
                parts=lambda: {"x": [psutil.Process(x.pid)], "selkies": tree(server.pid)},
            )


WEBSOCKET, WEBRTC = partial(start, "websockets"), partial(start, "webrtc")
VARIANTS = [
    Variant("selkies-websocket", WEBSOCKET, install=installed),
    Variant("selkies-webrtc", WEBRTC, install=installed),
    in_hub(Variant("selkies-hub-websocket", WEBSOCKET, install=installed)),
    in_hub(Variant("selkies-hub-webrtc", WEBRTC, install=installed)),
]
