"""What the streamer is told: its environment, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from streamspace_hub.model import AppTemplate, Policy
from streamspace_proxy.streamer.backends import WANTED, Wanted

Model = TypeVar("Model", bound=BaseModel)
_SOCKET_PATH_LIMIT = 107


class ConfigError(ValueError):
    """A variable is missing or wrong; the text is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Config:
    """One session's streamer."""

    runtime_dir: Path
    app: AppTemplate
    policy: Policy
    capture: Wanted = "auto"
    desktop_dir: Path | None = None
    """The desktop's runtime folder, where it is not ours too."""
    sleep_folder: str | None = None
    """Where the desktop keeps its memory when it goes to sleep; never looked into here."""

    def path(self, name: str) -> Path:
        """Return the path of a file of the runtime folder."""
        return self.runtime_dir / name

    def desktop_path(self, name: str) -> Path:
        """Return the path of a file that is the desktop's."""
        return (self.desktop_dir or self.runtime_dir) / name


def read_config(environ: Mapping[str, str]) -> Config:
    """Read `STREAMSPACE_*` (docs/reference/environment.md); raises ConfigError."""
    folder = environ.get("STREAMSPACE_RUNTIME_DIR", "")
    if not folder.startswith("/") or not Path(folder).is_dir():
        raise ConfigError("STREAMSPACE_RUNTIME_DIR must be the absolute path of a private folder.")
    if len(os.fsencode(f"{folder}/streamer.sock")) > _SOCKET_PATH_LIMIT:
        raise ConfigError(f"STREAMSPACE_RUNTIME_DIR is too long for a socket in it: {folder}.")
    return Config(
        runtime_dir=Path(folder),
        app=_read_model(AppTemplate, environ, "STREAMSPACE_TEMPLATE", None),
        policy=_read_model(Policy, environ, "STREAMSPACE_POLICY", "{}"),
        capture=_read_capture(environ),
        desktop_dir=_read_desktop_dir(environ),
        sleep_folder=environ.get("STREAMSPACE_SLEEP_FOLDER") or None,
    )


def _read_desktop_dir(environ: Mapping[str, str]) -> Path | None:
    # Not looked for: in a pod the desktop makes it, sooner or later than we start.
    folder = environ.get("STREAMSPACE_DESKTOP_DIR") or None
    if folder is not None and not folder.startswith("/"):
        raise ConfigError("STREAMSPACE_DESKTOP_DIR must be the absolute path of the desktop's runtime folder.")
    return Path(folder) if folder else None


def _read_capture(environ: Mapping[str, str]) -> Wanted:
    text = environ.get("STREAMSPACE_CAPTURE") or "auto"
    for wanted in WANTED:
        if text == wanted:
            return wanted
    raise ConfigError(f"STREAMSPACE_CAPTURE is one of {', '.join(WANTED)}, not {text[:40]}.")


def _read_model(model: type[Model], environ: Mapping[str, str], name: str, default: str | None) -> Model:
    text = environ.get(name) or default
    if text is None:
        raise ConfigError(f"{name} is missing: it holds the {model.__name__} as JSON.")
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ConfigError(f"{name}: {field}: {first['msg']}.") from error
