"""What others share: how often the hub is asked for it, by whom, and which of it are sessions."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from streamspace_hub.service.authentication import REMEMBER
from streamspace_hub.service.database import Database
from streamspace_hub.service.hub import Hub, HubError
from streamspace_hub.service.identity import Caller
from streamspace_hub.service.routes import shared as routes
from streamspace_hub.service.shared import SharedWith
from streamspace_hub.service.sharing import Part, scopes_of
from streamspace_hub.service.tables import SessionRow

MINE = frozenset({"read:users:shares!user=bob", "custom:streamspace:view!user=bob"})
GIMP = {
    "kind": "user",
    "user": {"name": "bob"},
    "scopes": scopes_of("viewer", "ann", "gimp"),
    "server": {"user": {"name": "ann"}, "name": "gimp"},
}


def bob(token: str = "t", **given: Any) -> Caller:
    return Caller(**{"name": "bob", "kind": "user", "scopes": MINE, "token": token, **given})


class FakeHub:
    """Answers as it was told to, and counts."""

    def __init__(self, *answers: list[Any] | HubError) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []

    async def shared_with(self, user: str, token: str) -> list[Any]:
        self.asked.append((user, token))
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, HubError):
            raise answer
        return answer


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def known(hub: FakeHub, clock: Clock | None = None) -> SharedWith:
    return SharedWith(cast(Hub, hub), clock or Clock())


async def test_many_pictures_at_once_ask_the_hub_once_and_again_after_a_while() -> None:
    hub, clock = FakeHub([GIMP], []), Clock()
    shared = known(hub, clock)
    assert all(await asyncio.gather(*(shared.has_part(bob(), "ann", "gimp") for _ in range(50))))
    assert not await shared.has_part(bob(), "ann", "qgis")
    assert hub.asked == [("bob", "t")]
    clock.now += REMEMBER
    assert not await shared.has_part(bob(), "ann", "gimp"), "it was taken back"


async def test_what_one_token_was_told_another_is_not() -> None:
    hub = FakeHub([GIMP], [])
    shared = known(hub)
    assert await shared.parts(bob(), "bob") == {("ann", "gimp"): Part("viewer")}
    assert await shared.parts(bob("other"), "bob") == {}
    assert hub.asked == [("bob", "t"), ("bob", "other")]


@pytest.mark.parametrize("given", [{"scopes": frozenset()}, {"kind": "service"}, {"name": "eve"}])
async def test_the_hub_is_not_asked_for_who_may_not_know(given: dict[str, Any]) -> None:
    hub = FakeHub()
    assert not await known(hub).has_part(bob(**given), "ann", "gimp")
    assert hub.asked == []


async def test_a_hub_that_is_away_is_an_error_and_asked_again() -> None:
    hub = FakeHub(HubError(502, "away"), [GIMP])
    shared = known(hub)
    with pytest.raises(HubError):
        await shared.parts(bob(), "bob")
    assert await shared.has_part(bob(), "ann", "gimp")


async def test_servers_that_are_no_sessions_are_left_out_in_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "AT_ONCE", 3)
    names = [f"n{number}" for number in range(8)]
    async with database.writing() as session:
        session.add_all(
            SessionRow(user=user, name=name, app="gimp", title="GIMP", state="running", url="/")
            for user in ("ann", "eve")
            for name in names
        )
    keys = [("ann", ""), *(("ann", name) for name in names), ("eve", "n3"), ("zoe", "n1")]
    async with database.reading() as session:
        rows = await routes._known(session, keys)
    assert [(row.user, row.name) for row in rows] == keys[1:-1]
