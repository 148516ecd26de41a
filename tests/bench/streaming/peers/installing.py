"""Installs peers below build/peers, each in an environment of its own, once."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from tests.bench.streaming.variant import BUILD


def python_environment(name: str, *requirements: str) -> Path:
    """The `bin` folder of a virtual environment with `requirements`."""
    folder = BUILD / name
    stamp = folder / "installed"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"==> Installing {name} (once)", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", *requirements], check=True)
        stamp.write_text(wanted)
    return folder / "bin"


def npm_package(name: str, package: str, version: str) -> Path:
    """The folder of an npm package of that version, without what it depends on being seen by ours."""
    prefix = BUILD / f"{name}-npm"
    folder = prefix / "node_modules" / package
    if not folder.exists():
        prefix.mkdir(parents=True, exist_ok=True)
        # Without a package.json here, npm would take the repository's.
        (prefix / "package.json").write_text("{}")
        command = ["npm", "install", "--silent", "--no-fund", "--no-audit", f"{package}@{version}"]
        subprocess.run(command, cwd=prefix, check=True)
    return folder
