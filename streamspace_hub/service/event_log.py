"""Audit events for whoever listens: each line of the audit log goes through a `jupyter_events` logger too.

Handlers are configured as JupyterHub's own events are (`c.EventLogger.handlers`), in a file that `STREAMSPACE_EVENTS`
names; without it nothing of this is loaded. The audit log itself is `audit`'s, and never waits for a handler's fault.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from streamspace_hub.model.api import AuditEvent
from streamspace_hub.service.settings import SettingsError

if TYPE_CHECKING:
    from jupyter_events import EventLogger

SCHEMAS = Path(__file__).parent / "event_schemas"
LABEL = "redactionPolicies"
"""What each property of a schema is labelled with; `jupyter_events` itself leaves hiding to us."""

log = logging.getLogger("streamspace.events")


def load_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas of audit events by their `$id`."""
    schemas = (yaml.safe_load(file.read_text()) for file in sorted(SCHEMAS.glob("*.yaml")))
    return {schema["$id"]: schema for schema in schemas}


def by_action(schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return which schema describes the events of each action."""
    return {action: name for name, schema in schemas.items() for action in schema["properties"]["action"]["enum"]}


def labelled(schema: Mapping[str, Any], labels: Iterable[str]) -> frozenset[str]:
    """Return the properties of `schema` that carry one of `labels`."""
    wanted = set(labels)
    return frozenset(name for name, one in schema["properties"].items() if wanted & set(one[LABEL]))


class EventLog:
    """Emits lines of the audit log as events; `config_file` empty: emits none."""

    def __init__(self, config_file: str = "") -> None:
        self._logger: EventLogger | None = None
        self._schema_of: dict[str, str] = {}
        if config_file:
            schemas = load_schemas()
            self._schema_of = by_action(schemas)
            self._logger = _event_logger(config_file, schemas)

    def emit(self, event: AuditEvent) -> None:
        """Emit a line that has been committed. What goes wrong is logged: the line itself is safe."""
        if self._logger is None:
            return
        try:
            self._logger.emit(schema_id=self._schema_of[event.action], data=event.model_dump(mode="json"))
        except Exception:
            log.exception("line %d of the audit log could not be emitted as an event", event.seq)


def _event_logger(config_file: str, schemas: Mapping[str, dict[str, Any]]) -> EventLogger:
    """Return the logger that a file configures.

    Raises:
        SettingsError: the file cannot be used.
    """
    from jupyter_events import EventLogger
    from traitlets.config.loader import PyFileConfigLoader

    try:
        config = PyFileConfigLoader(config_file).load_config()
        logger = EventLogger(config=config)
    except Exception as error:  # whatever Python code can raise
        raise SettingsError(f"STREAMSPACE_EVENTS: {config_file} cannot be used: {error}") from error
    if not logger.handlers:
        raise SettingsError(f"STREAMSPACE_EVENTS: {config_file} sets no `c.EventLogger.handlers`.")
    for schema in schemas.values():
        logger.register_event_schema(schema)
    redact = list(config.StreamSpaceEvents.get("redact", []))
    known = {label for schema in schemas.values() for one in schema["properties"].values() for label in one[LABEL]}
    known -= {"unrestricted"}
    if unknown := [label for label in redact if label not in known]:
        accepted = ", ".join(sorted(known))
        raise SettingsError(f"STREAMSPACE_EVENTS: {config_file}: redact has {unknown[0]!r}; the labels are {accepted}.")
    hidden = {name: labelled(schema, redact) for name, schema in schemas.items()}

    def without_hidden(schema_id: str, data: dict[str, Any]) -> dict[str, Any]:
        return {name: None if name in hidden[schema_id] else value for name, value in data.items()}

    if redact:
        logger.add_modifier(modifier=without_hidden)
    return logger
