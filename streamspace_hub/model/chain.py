"""The chain of the audit log: how a line is sealed, and how a copy of the log is checked. Pure.

A line that is changed, removed or put in shows as a broken chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from streamspace_hub.model.api import AuditEvent, AuditVerdict

START = "0" * 64
"""`previous` of the first line."""


def seal(fields: Mapping[str, Any]) -> str:
    """Return the hash of a line: SHA-256 of its other fields as JSON, sorted keys, no spaces (as RFC 8785)."""
    covered = {name: value for name, value in fields.items() if name != "hash"}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class ChainCheck:
    """Follows a chain line by line, from its first one on."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = START
        self.problem: str | None = None

    def add(self, event: AuditEvent) -> bool:
        """Take the next line; return whether all is well so far."""
        if self.problem is None:
            self.problem = self._problem(event)
        if self.problem is None:
            self.seq, self.hash = event.seq, event.hash
        return self.problem is None

    def _problem(self, event: AuditEvent) -> str | None:
        if event.seq != self.seq + 1:
            return f"line {self.seq + 1} is missing: after line {self.seq} comes line {event.seq}"
        if event.previous != self.hash:
            return f"line {event.seq} does not follow line {self.seq}: one of the two was replaced"
        if seal(event.model_dump(mode="json")) != event.hash:
            return f"line {event.seq} was changed after it was written"
        return None

    @property
    def verdict(self) -> AuditVerdict:
        """What was found."""
        return AuditVerdict(intact=self.problem is None, checked=self.seq, problem=self.problem)


def check_lines(lines: Iterable[str]) -> AuditVerdict:
    """Check a copy of the log, one JSON object for each line, with or without the mark that syslog puts before text.

    Raises:
        ValueError: a line is not a line of an audit log.
    """
    chain = ChainCheck()
    for line in lines:
        text = line.strip().removeprefix("\ufeff")  # RFC 5424, MSG-UTF8
        if text and not chain.add(AuditEvent.model_validate_json(text)):
            break
    return chain.verdict
