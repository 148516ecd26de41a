"""Audit events by jupyter_events: every kind of line has a schema, and what a file configures hears of it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jupyter_events.schema import EventSchema

from streamspace_hub import service
from streamspace_hub.model import SessionState
from streamspace_hub.model.api import AuditEvent
from streamspace_hub.service.event_log import LABEL, EventLog, by_action, load_schemas
from streamspace_hub.service.settings import SettingsError

SCHEMAS = load_schemas()
ROOMS = "session|shared|ahead|factors|settings|usage|quota|metrics|audit|announcement|policy|override"
ACTION = re.compile(rf"authenticate|step-up|({ROOMS})(\.[a-z]+)+")
STATES = {f"session.{state}" for state in [*SessionState, "removed"]}
FILE = """\
import logging
c.EventLogger.handlers = [logging.FileHandler({out!r})]
{more}
"""


def line(**fields: Any) -> AuditEvent:
    given: dict[str, Any] = {
        "seq": 7, "time": "2026-01-31T12:00:00.000001+00:00", "actor": "user:ann", "action": "session.create",
        "target": "ann/gimp", "origin": "10.0.0.1", "outcome": "allowed", "reason": None, "request_id": "r1",
        "details": {"app": "gimp"}, "previous": "0" * 64, "hash": "a" * 64,
    }  # fmt: skip
    return AuditEvent.model_validate(given | fields)


def configured(folder: Path, more: str = "") -> tuple[EventLog, Path]:
    out, file = folder / "events.jsonl", folder / "events.py"
    file.write_text(FILE.format(out=str(out), more=more))
    return EventLog(str(file)), out


def actions_in_the_source() -> set[str]:
    """All texts of the service that are the name of an action as a whole."""
    files = Path(service.__path__[0]).rglob("*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if ACTION.fullmatch(text)}


def test_every_kind_of_line_has_a_schema() -> None:
    known = by_action(SCHEMAS)
    found = actions_in_the_source()
    assert {"authenticate", "session.create", "audit.export"} <= found
    assert found | STATES <= set(known), "a kind of line without a schema"
    assert len(known) == sum(len(schema["properties"]["action"]["enum"]) for schema in SCHEMAS.values()), "two schemas"


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_a_schema_is_whole(schema: dict[str, Any]) -> None:
    EventSchema(schema)
    assert set(schema["properties"]) == set(schema["required"]) == set(AuditEvent.model_fields)
    for name, one in schema["properties"].items():
        assert one[LABEL] in (["unrestricted"], ["personally-identifiable-information"]), name
        if one[LABEL] != ["unrestricted"]:
            assert "null" in one["type"], f"{name} can be hidden"


def test_an_event_reaches_the_handlers_of_the_file(tmp_path: Path) -> None:
    events, out = configured(tmp_path)
    events.emit(line())
    emitted = json.loads(out.read_text())
    assert emitted["__schema__"] == "urn:streamspace:event:session-action"
    assert {name: emitted[name] for name in AuditEvent.model_fields} == line().model_dump(mode="json")


def test_what_is_labelled_can_be_hidden(tmp_path: Path) -> None:
    events, out = configured(tmp_path, 'c.StreamSpaceEvents.redact = ["personally-identifiable-information"]')
    events.emit(line())
    emitted = json.loads(out.read_text())
    assert "ann" not in out.read_text()
    assert (emitted["actor"], emitted["target"], emitted["details"]) == (None, None, None)
    assert (emitted["action"], emitted["request_id"], emitted["seq"]) == ("session.create", "r1", 7)


def test_what_does_not_fit_is_logged_and_nothing_else_happens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    events, out = configured(tmp_path)
    events.emit(line(details={"colour": "red"}))
    events.emit(line(action="session.paint"))
    assert out.read_text() == ""
    assert [record.getMessage() for record in caplog.records].count(
        "line 7 of the audit log could not be emitted as an event"
    ) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 +", "cannot be used"),
        ("c.EventLogger.handlers = 3", "cannot be used"),
        ("", "sets no `c.EventLogger.handlers`"),
        (FILE.format(out="/dev/null", more='c.StreamSpaceEvents.redact = ["names"]'), "redact has 'names'"),
    ],
)
def test_a_file_that_is_of_no_use_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "events.py"
    file.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(said)) as caught:
        EventLog(str(file))
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="STREAMSPACE_EVENTS: /no/such/file"):
        EventLog("/no/such/file.py")
