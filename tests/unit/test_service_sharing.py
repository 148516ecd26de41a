"""Roles in a session as scopes of JupyterHub's shares, and back."""

from __future__ import annotations

from typing import Any

import pytest

from streamspace_hub.model.api import Share, ShareRole
from streamspace_hub.service.sharing import ACCESS, CONTROL, VIEW, Part, beyond, parts_of, scopes_of, shares_of

HERE = "!server=ann/gimp"


def share(*scopes: str, user: str | None = None, group: str | None = None) -> dict[str, Any]:
    """A share as the hub's API has it."""
    return {
        "scopes": list(scopes),
        "kind": "group" if group else "user",
        "user": {"name": user} if user else None,
        "group": {"name": group} if group else None,
    }


@pytest.mark.parametrize("role", ["viewer", "controller"])
def test_what_a_role_is_shared_with_is_read_as_that_role(role: ShareRole) -> None:
    (found,) = shares_of([share(*scopes_of(role, "ann", "gimp"), user="bob")], "ann", "gimp")
    assert found == Share(kind="user", name="bob", role=role)


def test_the_highest_role_counts_and_users_and_groups_are_in_order() -> None:
    models = [
        share(ACCESS + HERE, VIEW + HERE, CONTROL + HERE, user="eve"),
        share(ACCESS + HERE, VIEW + HERE, user="bob"),
        share(ACCESS + HERE, VIEW + HERE, group="class"),
    ]
    assert [(one.kind, one.name, one.role) for one in shares_of(models, "ann", "gimp")] == [
        ("group", "class", "viewer"),
        ("user", "bob", "viewer"),
        ("user", "eve", "controller"),
    ]


@pytest.mark.parametrize("scopes", [[ACCESS + HERE], [VIEW + HERE], [ACCESS + "!server=ann/other", VIEW + HERE]])
def test_what_opens_no_session_is_no_share_of_it(scopes: list[str]) -> None:
    assert shares_of([share(*scopes, user="bob")], "ann", "gimp") == []


def test_who_becomes_a_viewer_keeps_no_control() -> None:
    assert beyond("viewer", "ann", "gimp") == [CONTROL + HERE]
    assert beyond("controller", "ann", "gimp") == []


def shared(owner: str, server: str, role: ShareRole, **whom: str) -> dict[str, Any]:
    """A share in a list of those with somebody."""
    model = share(*scopes_of(role, owner, server), **whom)
    return {**model, "server": {"user": {"name": owner}, "name": server}}


def test_what_somebody_is_in_the_sessions_of_others() -> None:
    jupyterlab = {**share("access:servers!server=ann/", user="bob"), "server": {"user": {"name": "ann"}, "name": ""}}
    models = [
        jupyterlab,
        shared("ann", "gimp", "viewer", user="bob"),
        shared("ann", "gimp", "controller", group="class"),
        shared("ann", "gimp", "viewer", group="all"),
        shared("eve", "", "viewer", group="class"),
        shared("ann", "qgis", "controller", user="bob"),
    ]
    assert parts_of(models) == {
        ("ann", "gimp"): Part("controller", ("all", "class")),
        ("eve", ""): Part("viewer", ("class",)),
        ("ann", "qgis"): Part("controller"),
    }
    assert parts_of(reversed(models)) == parts_of(models)
