"""What shares give visitors whose tokens do not show it, and how often the hub is asked."""

from __future__ import annotations

from typing import Any

import pytest
from streamspace_proxy.extension.hub_api import HubError
from streamspace_proxy.extension.roles import Server, Visitor, may_gain
from streamspace_proxy.extension.shares import FRESH, KEPT, PAGE, Shares, given_by

GIMP = Server("ann", "gimp")
HERE = "!server=ann/gimp"
ACCESS, VIEW, CONTROL = "access:servers", "custom:streamspace:view", "custom:streamspace:control"


def share(*scopes: str, user: str | None = None, group: str | None = None) -> dict[str, Any]:
    return {
        "scopes": [scope + HERE for scope in scopes],
        "kind": "group" if group else "user",
        "user": {"name": user} if user else None,
        "group": {"name": group} if group else None,
    }


def bob(*scopes: str, groups: tuple[str, ...] = ("class",)) -> dict[str, Any]:
    return {"name": "bob", "kind": "user", "groups": list(groups), "scopes": list(scopes)}


TO_CLASS = share(ACCESS, VIEW, group="class")


@pytest.mark.parametrize(
    ("shares", "visitor", "given"),
    [
        ([TO_CLASS], bob(), {ACCESS, VIEW}),
        ([TO_CLASS], bob(groups=()), set()),
        ([TO_CLASS], bob(groups=("other", "bob")), set()),
        ([share(ACCESS, CONTROL, group="class")], bob(), {ACCESS, VIEW, CONTROL}),
        ([TO_CLASS, share(CONTROL, group="staff")], bob(groups=("class", "staff")), {ACCESS, VIEW, CONTROL}),
        ([share(ACCESS, VIEW, user="bob")], bob(groups=()), {ACCESS, VIEW}),
        # A user is no group of that name.
        ([share(ACCESS, VIEW, user="class")], bob(), set()),
    ],
)
def test_who_has_signed_in_gets_what_they_and_their_groups_are_given(
    shares: list[Any], visitor: dict[str, Any], given: set[str]
) -> None:
    assert given_by(shares, visitor, signed_in=True) == {scope + HERE for scope in given}


@pytest.mark.parametrize("to", [share(ACCESS, CONTROL, user="bob"), share(ACCESS, CONTROL, group="class")])
@pytest.mark.parametrize(
    ("held", "given"),
    [
        ((), set()),
        (("read:users:name!user=bob",), set()),
        ((f"{ACCESS}!user=bob", f"{VIEW}!user=bob"), {ACCESS, VIEW}),
        ((f"{ACCESS}!user=bob", f"{VIEW}!user=bob", f"{CONTROL}!user=bob"), {ACCESS, VIEW, CONTROL}),
        ((ACCESS, VIEW), {ACCESS, VIEW}),
        ((f"{ACCESS}!server=bob/one", f"{VIEW}!server=bob/one"), set()),
        ((f"{ACCESS}!user=ann", f"{VIEW}!user=eve"), set()),
    ],
)
def test_any_other_token_gets_what_it_holds_for_its_owner(
    to: dict[str, Any], held: tuple[str, ...], given: set[str]
) -> None:
    assert given_by([to], bob(*held), signed_in=False) == {scope + HERE for scope in given}


@pytest.mark.parametrize(
    ("name", "kind", "scopes", "asks"),
    [
        ("ann", "user", [], False),
        ("bob", "user", [], True),
        ("bob", "service", [], False),
        ("bob", "user", [ACCESS], True),
        ("bob", "user", [VIEW], True),
        # By a share, which one with a group may add to.
        ("bob", "user", [ACCESS + HERE, VIEW + HERE], True),
        ("bob", "user", [ACCESS + HERE, VIEW + HERE, CONTROL + HERE], False),
        # Who looks at a wall of everybody's sessions does not have each of them ask.
        ("bob", "user", [ACCESS, VIEW], False),
        ("bob", "user", [ACCESS, f"{VIEW}!user=ann"], False),
    ],
)
def test_only_whose_part_may_grow_is_looked_up(name: str, kind: str, scopes: list[str], asks: bool) -> None:
    assert may_gain(Visitor(name, kind, scopes), GIMP) is asks


class Hub:
    """A hub with some shares, in pages; it can be away."""

    def __init__(self, *shares: Any) -> None:
        self.shares = list(shares)
        self.error: HubError | None = None
        self.asked: list[str] = []

    async def request(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Any:
        assert (method, token) == ("GET", None), "with its own token"
        self.asked.append(path)
        if self.error:
            raise self.error
        offset = int(path.partition("offset=")[2].partition("&")[0])
        following = {"offset": offset + PAGE} if len(self.shares) > offset + PAGE else None
        return {"items": self.shares[offset : offset + PAGE], "_pagination": {"next": following}}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_the_hub_is_asked_once_in_a_while_for_all_pages() -> None:
    hub, clock = Hub(*[TO_CLASS] * (PAGE + 1)), Clock()
    shares = Shares(hub, Server("a/n", ""), clock)
    assert len(await shares.current()) == len(await shares.current()) == PAGE + 1
    assert hub.asked == [f"/shares/a%2Fn/?offset={offset}&limit={PAGE}" for offset in (0, PAGE)]
    hub.shares = []
    clock.now += FRESH
    assert await shares.current() == []


@pytest.mark.parametrize(
    ("status", "after", "known"), [(502, FRESH, 1), (502, KEPT, 0), (403, FRESH, 0), (404, FRESH, 0), (500, FRESH, 0)]
)
async def test_a_hub_that_is_away_locks_nobody_out_for_a_while_and_one_that_refuses_does(
    status: int, after: float, known: int
) -> None:
    hub, clock = Hub(TO_CLASS), Clock()
    shares = Shares(hub, GIMP, clock)
    await shares.current()
    hub.error = HubError(status, "no")
    clock.now += after
    assert len(await shares.current()) == known


async def test_what_was_never_told_is_nothing() -> None:
    hub = Hub(TO_CLASS)
    hub.error = HubError(502, "away")
    assert await Shares(hub, GIMP, Clock()).current() == []
