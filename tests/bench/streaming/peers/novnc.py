"""TigerVNC and noVNC 1.7 with websockify between, at noVNC's own defaults: what most remote desktops on the web are."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from streamspace_hub.demo.settings import free_port
from tests.bench.processes import tree
from tests.bench.streaming.peers.hub import in_hub
from tests.bench.streaming.peers.installing import npm_package, python_environment
from tests.bench.streaming.running import ended, x_server
from tests.bench.streaming.variant import Size, Target, Variant

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>noVNC</title><link rel="icon" href="data:,">
<style>html, body, #screen { margin: 0; width: 100%; height: 100%; overflow: hidden }</style></head>
<body><div id="screen"></div><script type="module">
import RFB from "./novnc/core/rfb.js";
const rfb = new RFB(document.getElementById("screen"), new URL("websockify", location.href.replace("http", "ws")).href);
rfb.resizeSession = true;
</script></body></html>"""


def installed() -> tuple[Path, Path]:
    """The `bin` folder with websockify, and noVNC's."""
    return python_environment("novnc", "websockify==0.13.*"), npm_package("novnc", "@novnc/novnc", "1.7")


@contextmanager
def start(size: Size) -> Iterator[Target]:
    """Xtigervnc, websockify and a page that does nothing but connect."""
    programs, novnc = installed()
    with tempfile.TemporaryDirectory(prefix="ss-novnc-") as folder, contextlib.ExitStack() as stack:
        Path(folder, "index.html").write_text(PAGE)
        Path(folder, "novnc").symlink_to(novnc)
        rfb_port, port = free_port(), free_port()
        log = stack.enter_context(open(f"{folder}/novnc.log", "wb"))
        display, x = stack.enter_context(
            x_server(
                "Xtigervnc", "-geometry", str(size), "-depth", "24", "-localhost", "-rfbport", str(rfb_port),
                "-SecurityTypes", "None", log=Path(folder, "x.log"),
            )
        )  # fmt: skip
        server = subprocess.Popen(
            [programs / "websockify", "--web", folder, f"127.0.0.1:{port}", f"127.0.0.1:{rfb_port}"],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        with ended(server, port):
            yield Target(
                url=f"http://127.0.0.1:{port}/",
                display=lambda: display,
                parts=lambda: {"x": [psutil.Process(x.pid)], "websockify": tree(server.pid)},
            )


VARIANTS = [Variant("novnc", start, install=installed), in_hub(Variant("novnc-hub", start, install=installed))]
