"""Reads one YAML document into plain data, and remembers on which line each value stands.

It accepts the part of YAML that a template needs: mappings, lists, text, numbers, true, false and null. Anchors,
aliases, tags and merge keys are refused: they add nothing to a file of twenty lines, and an alias can make a small
file stand for a huge value. Words such as `yes`, `no` and `on` are text, as in YAML 1.2. Knows nothing of templates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from streamspace_hub.model.explain import Location

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12
TAG = "tag:yaml.org,2002:"


class DocumentError(ValueError):
    """A file that cannot be read as one plain YAML document; its text is one sentence."""

    def __init__(self, message: str, line: int | None = None, location: Location = ()):
        super().__init__(message)
        self.line = line
        self.location = location


@dataclass(frozen=True)
class Document:
    """Plain data, and where each value of it stands."""

    data: dict[str, object]
    lines: dict[Location, int]
    """Line (from 1) of the key or list entry at each location; `()` is the first line of the document."""

    def line_of(self, location: Location) -> int:
        """Return the line of the value at `location`, or of the nearest thing around it that exists."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines[location]


def read_document(content: bytes) -> Document:
    """Return the document in `content`, or raise `DocumentError` with the line and a sentence."""
    node = _compose(_decode(content))
    if not isinstance(node, MappingNode):
        raise DocumentError("must be a mapping of fields to values, such as `name: gimp`.", _line(node))
    lines: dict[Location, int] = {(): _line(node)}
    data = _mapping(node, (), lines)
    return Document(data, lines)


class _Loader(yaml.SafeLoader):
    """YAML without aliases and tags, of limited depth, with YAML 1.2's idea of what is not text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own shape)
    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # gap in types-PyYAML
        line: int = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise DocumentError("anchors (`&`) and aliases (`*`) are not accepted; write the value out.", line)
        if getattr(event, "tag", None):
            raise DocumentError("tags (`!`) are not accepted; remove the tag.", line)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise DocumentError(f"is nested more than {MAX_DEPTH} levels deep; no field needs that.", line)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in (
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?[0-9]{1,18}$", "-+0123456789"),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(TAG + _tag, re.compile(_pattern), list(_first))


def _decode(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise DocumentError(f"is larger than {MAX_BYTES // 1024} KiB; a template needs a few lines.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DocumentError("is not UTF-8 text; save the file as UTF-8.", line) from None


def _compose(text: str) -> Node:
    try:
        node = _Loader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"holds the character U+{ord(text[error.position]):04X}, which YAML does not allow; remove it."
        raise DocumentError(message, line) from None
    except yaml.MarkedYAMLError as error:
        raise _syntax(error) from None
    if node is None:
        raise DocumentError("is empty; write a template into it, beginning with `name:`.", 1)
    return node


def _syntax(error: yaml.MarkedYAMLError) -> DocumentError:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else None
    problem = error.problem or str(error)
    if "'\\t'" in problem:
        return DocumentError("a tab is used where YAML wants spaces; indent with spaces.", line)
    if "found another document" in problem:
        return DocumentError("holds more than one document; put each template into a file of its own.", line)
    context = f" {error.context}" if error.context else ""
    return DocumentError(f"is not YAML:{context}, {problem}." if context else f"is not YAML: {problem}.", line)


def _mapping(node: MappingNode, location: Location, lines: dict[Location, int]) -> dict[str, object]:
    data: dict[str, object] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, ScalarNode):
            raise DocumentError("a key must be text, not a list or mapping.", _line(key_node), location)
        key = key_node.value
        here = (*location, key)
        if key in data:
            message = f"is given twice (first on line {lines[here]}); keep one."
            raise DocumentError(message, _line(key_node), here)
        lines[here] = _line(key_node)
        data[key] = _value(value_node, here, lines)
    return data


def _value(node: Node, location: Location, lines: dict[Location, int]) -> object:
    if isinstance(node, MappingNode):
        return _mapping(node, location, lines)
    if isinstance(node, SequenceNode):
        entries = []
        for index, entry in enumerate(node.value):
            here = (*location, index)
            lines[here] = _line(entry)
            entries.append(_value(entry, here, lines))
        return entries
    return _scalar(node)


def _scalar(node: Node) -> object:
    text: str = node.value
    match node.tag.removeprefix(TAG):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text)
        case "float":
            return float(text)
    return text


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
