"""Who may have a picture of a session."""

from __future__ import annotations

import pytest

from streamspace_hub.service.identity import Caller


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        ({"access:servers!user=ann", "custom:streamspace:view!user=ann"}, True),
        ({"access:servers!server=ann/gimp", "custom:streamspace:view!server=ann/gimp"}, True),
        ({"access:servers", "custom:streamspace:view"}, True),
        ({"custom:streamspace:view"}, False),
        ({"access:servers"}, False),
        ({"access:servers", "custom:streamspace:admin"}, False),
        ({"access:servers!user=bob", "custom:streamspace:view!user=ann"}, False),
        ({"access:servers!server=ann/other", "custom:streamspace:view!server=ann/gimp"}, False),
    ],
)
def test_it_takes_the_right_to_reach_the_server_and_to_see_the_screen(scopes: set[str], may: bool) -> None:
    assert Caller("eve", "user", frozenset(scopes), "token").may_look("ann", "gimp") is may
