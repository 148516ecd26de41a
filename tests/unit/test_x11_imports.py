"""xcffib's extensions are all registered before the first connection is made (see streamer/x11.py)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import streamspace_proxy.streamer
import xcffib

FOLDER = Path(streamspace_proxy.streamer.__file__).parent


def test_no_part_of_the_streamer_registers_an_extension_later() -> None:
    used = set(re.findall(r"\bxcffib\.([a-z0-9_]+)", " ".join(file.read_text() for file in FOLDER.rglob("*.py"))))
    code = "import sys, streamspace_proxy.streamer.x11; print(*[n for n in sys.modules if n.startswith('xcffib.')])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    modules = {name for name in used if (Path(xcffib.__file__ or "").parent / f"{name}.py").exists()}
    assert {"damage", "xtest"} <= modules
    assert {f"xcffib.{name}" for name in modules} <= set(loaded)
