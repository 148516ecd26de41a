"""Sphinx configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path

project = "StreamSpace for JupyterHub"
copyright = "2026, StreamSpace for JupyterHub contributors"  # noqa: A001 - Sphinx's name
release = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]["version"]
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = project
exclude_patterns = ["_build"]
