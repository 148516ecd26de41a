"""What stands in the way of a session's start."""

from __future__ import annotations

import pytest

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import CreateSession, UserSession
from streamspace_hub.service.launching import blocking


def known(state: str, app: str = "gimp") -> dict[str, UserSession]:
    return {"g": UserSession(user="ann", name="g", app=app, title="GIMP", state=SessionState(state), url="/x")}


@pytest.mark.parametrize(
    ("sessions", "exists", "open_", "said"),
    [
        ({}, False, None, None),
        ({}, True, None, "is no session"),
        (known("stopped"), True, None, None),
        (known("failed"), True, "a.png", None),
        (known("stopped", "krita"), True, None, None),
        (known("running"), True, None, None),
        (known("starting"), True, None, None),
        (known("running"), True, "a.png", "running already"),
        (known("running", "krita"), True, None, "another app, krita"),
        (known("stopping"), True, None, "still being stopped"),
    ],
)
def test_obstacles(sessions: dict[str, UserSession], exists: bool, open_: str | None, said: str | None) -> None:
    obstacle = blocking(CreateSession(app="gimp", open=open_), "g", sessions, exists)
    assert (obstacle is None) == (said is None)
    assert said is None or said in (obstacle or "")
