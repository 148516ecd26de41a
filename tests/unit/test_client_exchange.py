"""When the SDK tries again, what it makes of answers, and that its two clients are the same."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from streamspace_hub.client import NotConfiguredError, RefusedError, UnreachableError, find_place
from streamspace_hub.client.exchange import (
    TRIES,
    Ask,
    EventReader,
    checked,
    override,
    parsed,
    pause_before,
    pause_of_stream,
    post,
    segment,
)
from streamspace_hub.model.api import Health

CLIENT = Path(__file__).parents[2] / "streamspace_hub" / "client"
PROBLEM = {"type": "urn:streamspace:problem:conflict", "title": "t", "status": 409, "detail": "Later."}


def reply(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("attempt", "answer", "pause"),
    [
        (1, None, 0.25),
        (2, None, 0.5),
        (TRIES, None, None),
        (1, reply(200), None),
        (1, reply(404), None),
        (1, reply(409), None),
        (1, reply(409, retry_after="2"), 2.0),
        (1, reply(429, retry_after="7"), 7.0),
        (1, reply(503, retry_after="3600"), 30.0),
        (1, reply(503, retry_after="-4"), 0.0),
        (3, reply(502, retry_after="soon"), 1.0),
        (TRIES, reply(503), None),
    ],
)
def test_pauses(attempt: int, answer: httpx.Response | None, pause: float | None) -> None:
    assert pause_before(attempt, answer) == pause


def test_every_post_has_a_key_of_its_own() -> None:
    first, second = post("sessions", {"app": "gimp"}), post("sessions", {"app": "gimp"})
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]


def test_refusals_and_strangers_are_told_apart() -> None:
    refused = httpx.Response(409, json=PROBLEM, headers={"content-type": "application/problem+json"})
    with pytest.raises(RefusedError, match="Later") as caught:
        checked(refused)
    assert caught.value.kind == "conflict"
    with pytest.raises(UnreachableError, match="no StreamSpace service"):
        checked(httpx.Response(404, text="<html>"))
    with pytest.raises(UnreachableError, match="HTTP 503"):
        checked(httpx.Response(503, text="proxy"))
    with pytest.raises(UnreachableError, match="another version"):
        parsed(httpx.Response(200, json={"hello": 1}), Health)


def test_names_are_one_segment_of_a_path() -> None:
    assert segment("a/b c") == "a%2Fb%20c"


def test_an_override_has_one_path() -> None:
    assert override(None, None) == "overrides/everybody"
    assert override("a/b", None) == "overrides/users/a%2Fb"
    assert override(None, "class/a") == "overrides/groups/class%2Fa"
    with pytest.raises(ValueError, match="not of both"):
        override("ann", "class")


def test_a_query_has_times_in_iso_and_nothing_that_is_left_out() -> None:
    ask = Ask("GET", "usage", {"since": datetime(2026, 1, 31, tzinfo=UTC), "until": None, "by": "app"})
    assert ask.arguments()["params"] == {"since": "2026-01-31T00:00:00+00:00", "by": "app"}


def test_events_are_put_together() -> None:
    reader, seen = EventReader(), []
    lines = ["id: 4", ": from here on", "", "event: session", "id: 5", 'data: {"n":1}', "", ": still here", ""]
    for line in lines:
        seen += list(reader.feed(line))
    assert seen == [("session", {"n": 1})]
    assert reader.last_id == "5"


def test_an_event_that_was_cut_off_is_not_put_together_with_the_next_connections() -> None:
    first = EventReader("4")
    assert [*first.feed("event: session"), *first.feed("id: 5"), *first.feed('data: {"n":1}')] == []
    again = EventReader(first.last_id)
    assert again.headers == {"Last-Event-ID": "4"}
    assert [*again.feed("id: 4"), *again.feed(": from here on"), *again.feed("")] == []


def test_a_stream_that_had_begun_is_waited_for_and_one_that_never_was_is_not() -> None:
    away = httpx.Response(503, headers={"Retry-After": "5"})
    for reply in (None, away):
        assert pause_of_stream(TRIES, reply, begun=False) is None
        assert pause_of_stream(1000, reply, begun=True) == (5 if reply else 1)
    assert pause_of_stream(1, httpx.Response(403), begun=True) is None


@pytest.mark.parametrize(
    ("environ", "api", "token"),
    [
        (
            {"STREAMSPACE_URL": "https://h/base/", "STREAMSPACE_TOKEN": "t"},
            "https://h/base/services/streamspace/api/v1/",
            "t",
        ),
        (
            {"JUPYTERHUB_API_URL": "http://10.0.0.1:8081/hub/api", "JUPYTERHUB_API_TOKEN": "s"},
            "http://10.0.0.1:8081/services/streamspace/api/v1/",
            "s",
        ),
        (
            {
                "JUPYTERHUB_API_URL": "http://10.0.0.1:8081/b/hub/api",
                "JUPYTERHUB_API_TOKEN": "s",
                "JUPYTERHUB_BASE_URL": "/b/",
                "STREAMSPACE_PROXY_URL": "http://proxy:8000/b/",
            },
            "http://proxy:8000/b/services/streamspace/api/v1/",
            "s",
        ),
        (
            {"STREAMSPACE_URL": "http://h", "STREAMSPACE_TOKEN": "t", "JUPYTERHUB_API_TOKEN": "s"},
            "http://h/services/streamspace/api/v1/",
            "t",
        ),
    ],
)  # fmt: skip
def test_where_the_hub_is(environ: dict[str, str], api: str, token: str) -> None:
    place = find_place(environ=environ)
    assert (place.api, place.token) == (api, token)
    assert f"token='{token}'" not in repr(place)


def test_addresses_of_pages_begin_at_the_origin() -> None:
    place = find_place("https://hub.example.org/base", "t")
    assert place.page("/base/user/ann/gimp/") == "https://hub.example.org/base/user/ann/gimp/"
    assert place.page("https://ann.example.org/x/") == "https://ann.example.org/x/", "users with domains of their own"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "set STREAMSPACE_URL"),
        (
            {"STREAMSPACE_URL": "hub.example.org", "STREAMSPACE_TOKEN": "t"},
            "'hub.example.org'; it is the hub's address",
        ),
        ({"STREAMSPACE_URL": "http://h"}, "make one at http://h/hub/token"),
    ],
)
def test_what_is_missing_is_named(environ: dict[str, str], said: str) -> None:
    with pytest.raises(NotConfiguredError, match=re.escape(said)):
        find_place(environ=environ)


class _Plain(ast.NodeTransformer):
    """Takes the waiting out of the asynchronous client."""

    NAMES: ClassVar = {
        "AsyncIterator": "Iterator", "AsyncClient": "Client", "aclose": "close", "aread": "read",
        "aiter_lines": "iter_lines", "__aenter__": "__enter__", "__aexit__": "__exit__", "asyncio": "time",
    }  # fmt: skip

    def visit_Await(self, node: ast.Await) -> Any:
        return self.visit(node.value)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        node.name = self.NAMES.get(node.name, node.name)
        self.generic_visit(node)
        return ast.FunctionDef(**{field: getattr(node, field, None) for field in ast.FunctionDef._fields})

    def visit_AsyncFor(self, node: ast.AsyncFor) -> Any:
        self.generic_visit(node)
        return ast.For(**{field: getattr(node, field, None) for field in ast.For._fields})

    def visit_AsyncWith(self, node: ast.AsyncWith) -> Any:
        self.generic_visit(node)
        return ast.With(**{field: getattr(node, field, None) for field in ast.With._fields})

    def visit_Name(self, node: ast.Name) -> Any:
        node.id = self.NAMES.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.generic_visit(node)
        node.attr = self.NAMES.get(node.attr, node.attr)
        return node


def methods(file: str, *, plain: bool) -> dict[str, str]:
    """Return the methods of the client in `file` as code without docstrings."""
    tree = ast.parse((CLIENT / file).read_text())
    (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if plain:
        found = _Plain().visit(found)
    code = {}
    for node in found.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node):
                node.body = node.body[1:]
            code[node.name] = ast.unparse(ast.fix_missing_locations(node))
    return code


def test_both_clients_are_the_same() -> None:
    assert methods("async_client.py", plain=True) == methods("sync_client.py", plain=False)
