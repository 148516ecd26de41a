"""What a caller may do is a function of the scopes that the hub has given them; everything else is denied."""

from __future__ import annotations

from typing import Any

import pytest

from streamspace_hub.service.identity import Caller, Visible


def caller(*scopes: str, **given: Any) -> Caller:
    return Caller(name="ann", kind="user", scopes=frozenset(scopes), token="secret", **given)


@pytest.mark.parametrize(
    ("scopes", "sees", "manages"),
    [
        ((), [], []),
        (("servers", "admin:servers", "access:servers"), [], []),
        (("custom:streamspace:view!user=ann",), ["ann/one", "ann/two"], []),
        (
            ("custom:streamspace:view!user=ann", "custom:streamspace:control!user=ann"),
            ["ann/one", "ann/two"],
            ["ann/one", "ann/two"],
        ),
        (("custom:streamspace:view!server=bob/one",), ["bob/one"], []),
        (("custom:streamspace:view!group=staff",), [], []),
        (("custom:streamspace:admin",), ["ann/one", "ann/two", "bob/one"], ["ann/one", "ann/two", "bob/one"]),
    ],
)
def test_scopes_decide(scopes: tuple[str, ...], sees: list[str], manages: list[str]) -> None:
    asked = caller(*scopes)
    everything = [("ann", "one"), ("ann", "two"), ("bob", "one")]
    assert [f"{user}/{server}" for user, server in everything if asked.may_see(user, server)] == sees
    assert [f"{user}/{server}" for user, server in everything if asked.may_manage(user, server)] == manages
    assert [f"{user}/{server}" for user, server in everything if asked.visible.holds(user, server)] == sees


def test_a_scope_for_one_server_is_none_for_its_user() -> None:
    asked = caller("custom:streamspace:control!server=ann/", "custom:streamspace:control!server=ann/one")
    assert not asked.holds_for_user("control", "ann")
    assert asked.holds("control", "ann", "")


def test_whom_the_hub_would_let_stop_a_server() -> None:
    for scope in ("delete:servers", "delete:servers!user=ann", "delete:servers!server=ann/one"):
        assert caller(scope).may_stop("ann", "one")
    for scope in ("servers", "delete:servers!user=bob", "delete:servers!server=ann/two", "custom:streamspace:admin"):
        assert not caller(scope).may_stop("ann", "one")


@pytest.mark.parametrize(
    ("scopes", "reads", "looks"),
    [
        (("custom:streamspace:view!user=ann",), False, False),
        (("read:users:shares!user=ann",), False, False),
        (("read:users:shares!user=ann", "custom:streamspace:view!user=ann"), True, False),
        (("read:users:shares", "custom:streamspace:view"), True, False),
        (("read:users:shares!user=bob", "custom:streamspace:view!user=ann", "access:servers!user=ann"), False, False),
        (("read:users:shares!user=ann", "custom:streamspace:view!server=ann/one", "access:servers"), False, False),
        (("read:users:shares!user=ann", "custom:streamspace:view!user=ann", "access:servers!user=ann"), True, True),
        (("read:users:shares!user=ann", "custom:streamspace:view!user=ann", "access:servers!server=a/b"), True, False),
        (("custom:streamspace:admin", "access:servers"), False, False),
    ],
)
def test_a_token_made_for_less_sees_nothing_of_what_is_shared(
    scopes: tuple[str, ...], reads: bool, looks: bool
) -> None:
    asked = caller(*scopes)
    assert asked.may_read_shared("ann") is reads
    assert asked.may_look_at_shared() is looks


def test_entry_needs_the_hubs_own_scope() -> None:
    assert not caller("custom:streamspace:admin").may_enter("streamspace")
    assert not caller("access:services!service=other").may_enter("streamspace")
    assert caller("access:services!service=streamspace").may_enter("streamspace")
    assert caller("access:services").may_enter("streamspace")


def test_a_token_is_in_no_text_of_its_owner() -> None:
    assert "secret" not in repr(caller())


def test_a_scope_without_a_server_name_grants_nothing() -> None:
    assert caller("custom:streamspace:view!server=ann").visible == Visible()
