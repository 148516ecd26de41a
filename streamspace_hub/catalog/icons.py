"""Icons of apps: reads an SVG file safely, or draws a letter.

Launcher pages put an icon's text straight into HTML, so an icon is parsed here and written anew from the elements
and attributes that draw; what runs code or loads something from elsewhere is refused. Knows nothing of templates.
"""

from __future__ import annotations

import io
import re
import zlib
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import escape

MAX_BYTES = 64 * 1024
MAX_DEPTH = 40
SVG = "http://www.w3.org/2000/svg"
XLINK_HREF = "http://www.w3.org/1999/xlink href"

DRAWING = frozenset(
    [
        "svg",
        "g",
        "defs",
        "title",
        "desc",
        "path",
        "rect",
        "circle",
        "ellipse",
        "line",
        "polyline",
        "polygon",
        "text",
        "tspan",
        "linearGradient",
        "radialGradient",
        "stop",
        "clipPath",
        "mask",
        "pattern",
        "marker",
        "filter",
        "feBlend",
        "feColorMatrix",
        "feComposite",
        "feFlood",
        "feGaussianBlur",
        "feMerge",
        "feMergeNode",
        "feOffset",
    ]
)
# A reference inside the file itself, e.g. fill="url(#shade)"; anything else in url(...) leads elsewhere.
LOCAL_URL = re.compile(r"url\(\s*['\"]?#[\w.-]+['\"]?\s*\)", re.IGNORECASE)
ELSEWHERE = re.compile(r"url\s*\(|@import|image-set|expression\s*\(|javascript:|\\|/\*", re.IGNORECASE)

TILES = ("#3b6fb6", "#2f8f6b", "#b4652f", "#8a55a8", "#b04a5f", "#4a7d8c", "#7a6f2e", "#5d63b5")


class IconError(ValueError):
    """An icon that is not shown; its text is one sentence."""


def read_icon(path: Path) -> str:
    """Return the SVG text of the file at `path`, cleaned, or raise `IconError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise IconError(f"cannot be read ({error.strerror}).") from None
    return clean_svg(content)


def clean_svg(content: bytes) -> str:
    """Return `content` written anew with drawing elements only; raise `IconError` for what is not an icon.

    Comments, processing instructions and elements of other namespaces (an editor's notes) are left out.
    """
    if len(content) > MAX_BYTES:
        raise IconError(f"is larger than {MAX_BYTES // 1024} KiB; simplify the drawing.")
    reader = _Reader()
    try:
        reader.parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, IconError):
            raise
        raise IconError(f"is not well-formed XML ({error}).") from None
    root = reader.builder.close()
    out = io.BytesIO()
    ElementTree.ElementTree(root).write(out, encoding="utf-8", xml_declaration=False)
    return out.getvalue().decode("utf-8")


def letter_icon(title: str) -> str:
    """Return an icon with the first letter or digit of `title` on a tile whose colour depends on the title."""
    letter = next((character for character in title if character.isalnum()), "?").upper()[:1]
    colour = TILES[zlib.crc32(title.encode()) % len(TILES)]
    return (
        f'<svg xmlns="{SVG}" viewBox="0 0 64 64"><rect x="3" y="3" width="58" height="58" rx="14" fill="{colour}"/>'
        '<text x="32" y="44" text-anchor="middle" font-family="sans-serif" font-size="34" font-weight="600" '
        f'fill="#ffffff">{escape(letter)}</text></svg>'
    )


class _Reader:
    """Builds a tree from the events of a parser that has entities and document types switched off."""

    def __init__(self) -> None:
        self.builder = ElementTree.TreeBuilder()
        self.open: list[bool] = []
        """For each open element: whether it is kept."""
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _doctype(self, *_declaration: object) -> None:
        raise IconError("has a DOCTYPE, which is not accepted; remove that line.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        line = self.parser.CurrentLineNumber
        if not self.open and (namespace, local) != (SVG, "svg"):
            raise IconError(f'its outermost element must be <svg xmlns="{SVG}">.')
        if len(self.open) >= MAX_DEPTH:
            raise IconError(f"is nested more than {MAX_DEPTH} levels deep (line {line}).")
        kept = namespace == SVG and all(self.open)
        if local.lower() == "script" or (kept and local not in DRAWING | {"metadata"}):
            raise IconError(f"<{local}> on line {line} is not accepted: an icon only draws.")
        kept = kept and local != "metadata"
        self.open.append(kept)
        if kept:
            self.builder.start(local, self._attributes(attributes, line, root=len(self.open) == 1))

    def _attributes(self, attributes: dict[str, str], line: int, *, root: bool) -> dict[str, str]:
        drawn: dict[str, str] = {"xmlns": SVG} if root else {}
        for name, value in attributes.items():
            if name.rpartition(" ")[2].lower().startswith("on"):
                raise IconError(f"`{name}` on line {line} is not accepted: an icon runs no code.")
            local = "href" if name == XLINK_HREF else name
            if " " in local:
                continue
            if local == "href" and not value.strip().startswith("#"):
                raise IconError(f"href on line {line} leads outside the file; only `#...` is accepted.")
            if ELSEWHERE.search(LOCAL_URL.sub("", value)):
                raise IconError(f"`{local}` on line {line} refers to something outside the file.")
            drawn[local] = value
        return drawn

    def _end(self, name: str) -> None:
        if self.open.pop():
            self.builder.end(name.rpartition(" ")[2])

    def _text(self, text: str) -> None:
        if self.open and all(self.open):
            self.builder.data(text)
