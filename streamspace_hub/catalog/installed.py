"""Says whether an app's program is on this machine, and if not, how to get it."""

from __future__ import annotations

import shutil

from streamspace_hub.model import AppTemplate


def is_installed(template: AppTemplate, path: str | None = None) -> bool:
    """Return whether the template's program is found on `path` (separated by `:`; None: this process's PATH)."""
    return shutil.which(template.program, path=path) is not None


def install_hint(template: AppTemplate) -> str:
    """Return the sentences to show where the app is not installed."""
    missing = f"{template.title} is not installed here."
    if template.packages:
        return f"{missing} Ask your administrator, or run: apt-get install {' '.join(template.packages)}"
    return f"{missing} Ask your administrator to install a program named `{template.program}`."
