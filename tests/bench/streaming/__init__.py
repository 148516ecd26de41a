"""How well the screen streams, beside other programs that stream one: the same content, screen and browser, in turn."""

from __future__ import annotations

FIGURES = ("latency", "links", "wire", "first_picture", "viewers", "drop", "transitions", "memory")
"""Each is a module with `measure(options)`."""
