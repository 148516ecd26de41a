"""The hook for JupyterHub's idle culler, called as the culler calls it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from streamspace_hub.hibernation.culler import spare_sessions


@pytest.mark.parametrize(
    ("options", "seconds", "ended"),
    [
        ({"app": "gimp"}, 4000, False),
        ({"user_options": {"app": "gimp"}}, 4000, False),
        ({}, 4000, True),
        (None, 4000, True),
        ({"profile": "large"}, 4000, True),
        ({"profile": "large"}, 3000, False),
    ],
)
def test_sessions_are_spared_and_other_servers_go_by_the_usual_rule(options: Any, seconds: int, ended: bool) -> None:
    server = {"name": "one", "user_options": options}
    assert spare_sessions(inactive=timedelta(seconds=seconds), inactive_limit=3600, server=server) is ended
