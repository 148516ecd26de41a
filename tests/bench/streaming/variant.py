"""What is measured: a variant is one way from a screen to a browser. Plain data and the registry; measures nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from playwright.sync_api import Page

BUILD = Path(__file__).parents[3] / "build" / "peers"
"""Each peer has a virtual environment of its own in here."""


@dataclass(frozen=True)
class Size:
    """Of a screen, in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read `1280x720`."""
        width, _, height = text.partition("x")
        return cls(int(width), int(height))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def _nothing(_: Page) -> None:
    return None


@dataclass(frozen=True)
class Target:
    """A running variant."""

    url: str
    display: Callable[[], Mapping[str, str]]
    """Environment of X clients on its screen; asked for once its page is open."""
    parts: Callable[[], dict[str, list[psutil.Process]]]
    """The server side by part, without the content: `x` is the X server."""
    prepare: Callable[[Page], None] = _nothing
    """Once in a browser context, before the page is opened: sign in."""
    opened: Callable[[Page], None] = _nothing
    """What a user has to do on the page before there is a picture."""
    margin: Size = Size(0, 0)
    """What the page shows beside the picture: the browser's window is larger by so much."""
    not_picture: str = "none"
    """CSS selector of what could be taken for the picture."""
    viewer_socket: str = ""
    """Of our streamer, for viewers that are no browser."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """For the conditions of its figures."""


def _nothing_to_install() -> None:
    return None


@dataclass(frozen=True)
class Variant:
    """A named way to start one."""

    name: str
    start: Callable[[Size], AbstractContextManager[Target]]
    ours: bool = False
    install: Callable[[], object] = _nothing_to_install
    """Gets what `start` needs; apart, since it needs the internet, which there is none of in a link's namespace."""


PROVIDERS = ("ours", "ours_hub", "peers.selkies", "peers.novnc", "peers.jupyter_remote_desktop")


def variants() -> dict[str, Variant]:
    """All variants by name, ours first."""
    found = [
        variant
        for provider in PROVIDERS
        for variant in importlib.import_module(f"tests.bench.streaming.{provider}").VARIANTS
    ]
    return {variant.name: variant for variant in found}


def chosen(names: str | None) -> list[Variant]:
    """The variants called as `names` say (comma-separated), else those whose names begin so; all for None."""
    known = variants()
    if names is None:
        return list(known.values())
    wanted = names.split(",")
    for name in wanted:
        if not any(variant.startswith(name) for variant in known):
            raise SystemExit(f"{name} is not a variant; choose from {', '.join(known)}")
    return [
        variant
        for name, variant in known.items()
        if any(name == given or (given not in known and name.startswith(given)) for given in wanted)
    ]
