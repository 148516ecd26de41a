"""Who may do what: the table, and properties that hold for any scopes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.extension.roles import (
    CONTROL_SCOPE,
    SLEEP_SCOPE,
    Server,
    Visitor,
    keeps_sleep,
    lowered,
    role_for,
)

from streamspace_hub.model import Role

GIMP = Server("alice", "gimp")
ACCESS = "access:servers!server=alice/gimp"


@pytest.mark.parametrize(
    ("name", "kind", "scopes", "role"),
    [
        ("alice", "user", [], Role.OWNER),
        ("alice", "user", [ACCESS], Role.OWNER),
        ("alice", "user", ["custom:streamspace:view"], Role.OWNER),
        ("bob", "user", [], None),
        ("bob", "user", [ACCESS], None),
        ("bob", "user", [ACCESS, "custom:streamspace:view!server=alice/gimp"], Role.VIEWER),
        ("bob", "user", [ACCESS, "custom:streamspace:view!user=alice"], Role.VIEWER),
        ("bob", "user", [ACCESS, "custom:streamspace:view"], Role.VIEWER),
        ("bob", "user", [ACCESS, "custom:streamspace:control!server=alice/gimp"], Role.CONTROLLER),
        ("bob", "user", ["custom:streamspace:view", "custom:streamspace:control"], Role.CONTROLLER),
        # somebody else's session, another server of hers, a prefix of her name
        ("bob", "user", ["custom:streamspace:view!server=bob/gimp"], None),
        ("bob", "user", ["custom:streamspace:view!server=alice/"], None),
        ("bob", "user", ["custom:streamspace:view!user=bob"], None),
        ("bob", "user", ["custom:streamspace:view!server=alice/gimp2"], None),
        ("bob", "user", ["custom:streamspace:view!group=painters"], None),
        # admins and services
        ("root", "user", ["admin:users", "admin:servers", "access:servers"], None),
        ("alice", "service", ["access:servers"], None),
        ("culler", "service", ["access:servers", "custom:streamspace:view"], Role.VIEWER),
        ("", "user", [], None),
    ],
)
def test_roles(name: str, kind: str, scopes: list[str], role: Role | None) -> None:
    assert role_for(Visitor(name, kind, scopes), GIMP) is role


def test_the_default_server_has_an_empty_name() -> None:
    server = Server("alice", "")
    assert role_for(Visitor("bob", "user", ["custom:streamspace:view!server=alice/"]), server) is Role.VIEWER
    assert role_for(Visitor("bob", "user", ["custom:streamspace:view!server=alice/gimp"]), server) is None


def test_a_server_without_an_owner_belongs_to_nobody() -> None:
    assert role_for(Visitor("", "user", []), Server("", "")) is None


@given(scopes=st.lists(st.text()), name=st.text())
def test_no_scope_but_ours_gives_a_role(scopes: list[str], name: str) -> None:
    foreign = [scope for scope in scopes if not scope.startswith("custom:streamspace:")]
    role = role_for(Visitor(name, "user", foreign), GIMP)
    assert role is (Role.OWNER if name == "alice" else None)


@pytest.mark.parametrize("role", list(Role))
def test_view_only_lowers_every_role(role: Role) -> None:
    assert lowered(role, view_only=True) is Role.VIEWER
    assert lowered(role, view_only=False) is role


@pytest.mark.parametrize(
    ("visitor", "keeps"),
    [
        (Visitor("streamspace", "service", {SLEEP_SCOPE}), True),
        (Visitor("streamspace", "service", {"access:servers", CONTROL_SCOPE}), False),
        (Visitor("bob", "user", {SLEEP_SCOPE}), False),
    ],
)
def test_only_a_service_with_its_scope_puts_to_sleep_and_it_has_no_role(visitor: Visitor, keeps: bool) -> None:
    assert keeps_sleep(visitor) is keeps
    assert not keeps or role_for(visitor, Server("ann", "gimp")) is None
