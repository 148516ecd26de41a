"""Puts a template's `home_files` into the user's home: settings that spare a newcomer an app's first-run dialogs.

What exists already is the user's and stays as it is. Knows nothing of apps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path


def make_home_files(home: Path, files: Mapping[str, str], complain: Callable[[str], None]) -> None:
    """Write each of `files` (path inside `home`: text) that does not exist yet; a failure is only complained about."""
    for name, text in files.items():
        path = home / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            complain(f"The template's file {name} lies outside the home folder and was not made.")
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        except OSError as error:
            # A full or read-only home: the app is still worth starting, it only greets its user.
            complain(f"{path} could not be made: {error.strerror}.")
