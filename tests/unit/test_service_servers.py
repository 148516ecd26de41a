"""From the hub's models of servers to sessions, and what counts as a change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streamspace_hub.model import SessionState
from streamspace_hub.model.asleep import Asleep
from streamspace_hub.model.hub_server import app_of, state_of
from streamspace_hub.service.servers import asleep, changes, ended, failed, merged, not_woken, sessions_of
from streamspace_hub.service.watcher import pause_after

APPS = {"gimp": "GIMP", "terminal": "Terminal"}


def server(**fields: Any) -> dict[str, Any]:
    return {"url": "/user/ann/x/", "ready": True, "pending": None, "user_options": {"app": "gimp"}, **fields}


@pytest.mark.parametrize(
    ("name", "options", "app"),
    [
        ("any", {"app": "gimp"}, "gimp"),
        ("any", {"app": ["gimp"]}, "gimp"),
        ("any", {"user_options": {"app": "gimp"}, "display_name": "G"}, "gimp"),
        ("gimp", {}, "gimp"),
        ("gimp", None, "gimp"),
        ("lab", {}, None),
        ("gimp", {"profile": "big"}, None),
        ("any", {"app": 5}, None),
        ("any", {"app": ["gimp", "krita"]}, None),
        ("any", {"app": "x" * 31}, None),
        ("any", {"app": "retired"}, "retired"),
    ],
)
def test_which_app_a_server_runs(name: str, options: Any, app: str | None) -> None:
    assert app_of(name, server(user_options=options), APPS) == app


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"pending": "spawn", "ready": False}, "starting"),
        ({"pending": "stop", "ready": True}, "stopping"),
        ({"ready": True}, "running"),
        ({"ready": False}, "stopped"),
    ],
)
def test_states_in_our_words(fields: dict[str, Any], state: str) -> None:
    assert state_of(server(**fields)) == state


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"pending": "spawn", "ready": False}, "resuming"),
        ({"pending": "stop", "ready": True}, "hibernating"),
        ({"ready": True}, "hibernating"),
        ({"ready": False}, "sleeping"),
    ],
)
def test_states_of_what_sleeps_with_its_memory(fields: dict[str, Any], state: str) -> None:
    sleeps = Asleep(app="terminal", since="2026-01-31T12:00:00+00:00", bytes=7, marker="ab.cd")
    found = sessions_of("ann", {"g": server(**fields)}, APPS, {"g": sleeps})["g"]
    assert (found.state, found.app, found.asleep_since, found.asleep_bytes) == (state, "terminal", sleeps.since, 7)


def row(**fields: Any) -> Any:
    known = {"started": "then", "frozen": None, "hibernating": None, "memory": True, "why_not": None}
    return SimpleNamespace(**{**known, **fields})


def test_what_a_running_session_has_said_is_shown_of_that_start_alone() -> None:
    running = one(SessionState.RUNNING, started="then")
    assert asleep(running, row()).memory is True
    assert asleep(running, row(started="before")).memory is None
    assert asleep(running, row(memory=False, why_not="No CRIU.")).why_not == "No CRIU."
    assert asleep(running, row(hibernating=100.0), 110.0).state is SessionState.HIBERNATING
    assert asleep(running, row(hibernating=100.0), 10_000.0).state is SessionState.RUNNING, "nobody is at it any more"
    assert asleep(one(SessionState.STOPPED, started="then"), row()).memory is None


def test_what_could_not_be_woken_sleeps_on_and_says_why() -> None:
    resuming, sleeping = one(SessionState.RESUMING), one(SessionState.SLEEPING)
    told = not_woken(merged(resuming, sleeping), "Port 5 is taken.")
    assert (told.state, told.message) == (SessionState.SLEEPING, "Port 5 is taken.")
    assert merged(told, sleeping) == told, "it stays, with its reason"
    assert merged(told, one(SessionState.RUNNING)).message is None
    assert not_woken(sleeping, "Spawn cancelled").message is None
    assert merged(resuming, one(SessionState.STOPPED)).state is SessionState.FAILED


def test_ordinary_servers_are_no_sessions() -> None:
    found = sessions_of("ann", {"": server(user_options={}), "g": server(display_name="Mine"), "h": server()}, APPS)
    assert {name: one.title for name, one in found.items()} == {"g": "Mine", "h": "GIMP"}
    assert found["g"].url == "/user/ann/x/streamspace/"


def one(state: SessionState, **fields: Any) -> Any:
    return sessions_of("ann", {"g": server()}, APPS)["g"].model_copy(update={"state": state, **fields})


def test_a_start_that_ends_without_running_has_failed_until_the_next() -> None:
    starting, stopped = one(SessionState.STARTING), one(SessionState.STOPPED)
    failed = merged(starting, stopped)
    assert failed.state is SessionState.FAILED
    told = failed.model_copy(update={"message": "no memory"})
    assert merged(told, stopped) == told, "it stays, with its reason"
    assert merged(told, one(SessionState.STARTING)).state is SessionState.STARTING
    assert merged(one(SessionState.RUNNING), stopped).state is SessionState.STOPPED
    assert merged(None, stopped).state is SessionState.STOPPED


@pytest.mark.parametrize(
    ("reason", "state"), [(None, "stopped"), ("Spawn cancelled", "stopped"), ("Spawn failed: no room", "failed")]
)
def test_what_the_hub_clears_up_has_failed(reason: str | None, state: str) -> None:
    stopped = one(SessionState.STOPPED)
    assert (ended(stopped, reason).state, ended(stopped, reason).message) == (
        state,
        reason if state == "failed" else None,
    )


def test_a_start_that_somebody_stopped_has_not_failed() -> None:
    broken = merged(one(SessionState.STARTING), one(SessionState.STOPPED))
    assert failed(broken, "Spawn cancelled").state is SessionState.STOPPED
    assert failed(broken, "Spawn failed: no memory").message == "Spawn failed: no memory"
    assert failed(broken, None).message == "The session did not start."


def test_changes_are_told_and_activity_is_not() -> None:
    before = {"g": one(SessionState.RUNNING), "h": one(SessionState.RUNNING, name="h")}
    after = {
        "g": one(SessionState.RUNNING, last_activity="2026-01-01"),
        "i": one(SessionState.STARTING, name="i"),
    }
    assert [(change.kind, change.session.name) for change in changes(before, after)] == [
        ("session", "i"),
        ("removed", "h"),
    ]
    assert changes(after, after) == []


def test_looking_takes_a_twentieth_of_the_hubs_time_at_most() -> None:
    assert pause_after(0.01) == 2.0
    assert pause_after(1.0) == 20.0
    assert pause_after(100.0) == 60.0
