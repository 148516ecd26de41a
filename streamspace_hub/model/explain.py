"""Turns pydantic's complaints into sentences that name the field and what it accepts.

Pure: it knows models, not where their data came from (a YAML file, a REST body, an environment variable).
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streamspace_hub.model.app import PATTERN_MEANINGS

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Complaint:
    """One thing wrong with the data."""

    location: Location
    """Keys and list positions that lead to the value; empty: the whole document."""
    message: str
    """One sentence with what is wrong and what is accepted."""

    @property
    def field(self) -> str:
        """The location as text, e.g. `resources.gpu.count` or `categories[1]`."""
        text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.location)
        return text.removeprefix(".")


def explain(error: ValidationError, model: type[BaseModel]) -> list[Complaint]:
    """Return one complaint for each thing that `model` found wrong, in the order of its fields."""
    return explain_details(error.errors(include_url=False, include_context=True), model)


def explain_details(details: Sequence[ErrorDetails], model: type[BaseModel]) -> list[Complaint]:
    """Return one complaint for each of pydantic's error details about data for `model`."""
    return [Complaint(_location(one), _sentence(one, model)) for one in details]


def _location(details: ErrorDetails) -> Location:
    # pydantic marks a wrong mapping key with a last step "[key]"; the reader looks for the key itself.
    location = details["loc"]
    return location[:-1] if location and location[-1] == "[key]" else location


def _sentence(details: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    location = _location(details)
    if kind == "extra_forbidden":
        return _unknown_field(str(location[-1]), list(_fields_at(model, location[:-1])))
    if kind == "value_error":
        return f"{context['error']}."
    if kind in _SENTENCES:
        return _SENTENCES[kind](context, value)
    return f"{details['msg']}, not {shown(value)}."


def _unknown_field(name: str, accepted: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, accepted, n=1)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return f"there is no such field; {guess}Accepted here: {', '.join(accepted)}."


def _enumeration(context: Mapping[str, Any], value: object) -> str:
    accepted = context["expected"].replace("'", "").replace(" or ", ", ")
    return f"{shown(value)} is not accepted; use one of: {accepted}."


def _pattern(context: Mapping[str, Any], value: object) -> str:
    wanted = PATTERN_MEANINGS.get(context["pattern"], f"text that matches {context['pattern']}")
    return f"{shown(value)} is not accepted; use {wanted}."


def _wanted(what: str) -> Callable[[Mapping[str, Any], object], str]:
    return lambda context, value: f"must be {what.format_map(dict(context))}, not {shown(value)}."


_SENTENCES: dict[str, Callable[[Mapping[str, Any], object], str]] = {
    "missing": lambda _context, _value: "is missing, and has no default; add it.",
    "enum": _enumeration,
    "string_pattern_mismatch": _pattern,
    "string_type": _wanted("text (put quotes around a number)"),
    "string_too_short": lambda _context, _value: "is empty; write at least one character.",
    "string_too_long": _wanted("at most {max_length} characters long"),
    "too_short": lambda _context, _value: "is empty; give at least one entry.",
    "list_type": _wanted("a list, e.g. `[a, b]`"),
    "tuple_type": _wanted("a list, e.g. `[a, b]`"),
    "dict_type": _wanted("a mapping of names to values"),
    "model_type": _wanted("a mapping of fields to values"),
    "int_type": _wanted("a whole number"),
    "int_parsing": _wanted("a whole number"),
    "int_from_float": _wanted("a whole number"),
    "float_type": _wanted("a number"),
    "float_parsing": _wanted("a number"),
    "bool_type": _wanted("true or false"),
    "bool_parsing": _wanted("true or false"),
    "greater_than": _wanted("greater than {gt}"),
    "greater_than_equal": _wanted("at least {ge}"),
    "less_than_equal": _wanted("at most {le}"),
}


def shown(value: object) -> str:
    """Return the value as the reader wrote it, cut to a length that fits into a sentence."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value).encode("unicode_escape").decode("ascii") if not str(value).isprintable() else str(value)
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}...`"


def _fields_at(model: type[BaseModel], location: Location) -> Iterator[str]:
    """Yield the names of the fields of the model that `location` leads to."""
    annotation: object = model
    for key in location:
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
            continue
        fields = next((found.model_fields for found in _models(annotation)), {})
        annotation = fields[key].annotation if isinstance(key, str) and key in fields else annotation
    for found in _models(annotation):
        yield from found.model_fields


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models inside an annotation such as `Model | None` or `list[Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, Annotated, list):
        for argument in get_args(annotation):
            yield from _models(argument)
