"""Size on disk of what `pip install streamspace-hub[session]` brings."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.report import Figure

ROOT = Path(__file__).parents[2]


def measure() -> Iterator[Figure]:
    """Install the session extra into an empty environment and add up its files."""
    with tempfile.TemporaryDirectory(prefix="ss-size-") as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        site = next(Path(folder, "lib").glob("python*/site-packages"))
        requirements = subprocess.run(
            [sys.executable, ROOT / "tools" / "dependencies.py", "session"], check=True, capture_output=True, text=True
        ).stdout.split("\n")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(site)]
        subprocess.run([*pip, *filter(None, requirements)], check=True)
        before = _size(site)
        subprocess.run([*pip, "--no-deps", "--no-build-isolation", str(ROOT)], check=True)
        yield Figure("install size of the session extra", "streamspace", "MB", value=_size(site) / 1e6)
        yield Figure("install size of our own wheel", "streamspace", "MB", value=(_size(site) - before) / 1e6)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
