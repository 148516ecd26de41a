"""From where a session lets people in, whom it asks for a second factor, and what it does when it cannot know."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from streamspace_proxy.extension.entry import PATH, PolicyEntry
from streamspace_proxy.extension.handlers import AuthorisedHandler, Refusal, StepUpNeeded
from streamspace_proxy.extension.hub_api import HubError

from streamspace_hub.model import Policy

PAGE = "/services/streamspace/step-up"


class Hub:
    """Answers as it was told to, and counts."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[str | None] = []

    async def request(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Any:
        assert (method, path) == ("GET", PATH)
        self.asked.append(token)
        answer = self.answers.pop(0)
        if isinstance(answer, HubError):
            raise answer
        return answer


def shown(at: object) -> dict[str, object]:
    return {"user": "ann", "at": at}


def by(token: str | None, path: str = "/ws", peer: str = "127.0.0.1", **headers: str) -> AuthorisedHandler:
    auth = SimpleNamespace(get_token=lambda handler: token)
    stream = SimpleNamespace(socket=SimpleNamespace(getpeername=lambda: (peer, 1)))
    request = SimpleNamespace(
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        connection=SimpleNamespace(stream=stream),
        remote_ip="192.0.2.1",
        method="GET",
        path=f"/user/ann/one/streamspace{path}",
    )
    provider = SimpleNamespace(hub_auth=auth, token="own")
    user = SimpleNamespace(username="ann")
    return cast(AuthorisedHandler, SimpleNamespace(identity_provider=provider, request=request, current_user=user))


def check(hub: Hub, token: str | None = "t", age: int = 60, times: int = 1) -> None:
    entry = PolicyEntry(Policy(step_up=age), hub, PAGE)
    for _ in range(times):
        asyncio.run(entry.check(by(token)))


def test_where_none_is_asked_for_the_hub_is_not_asked() -> None:
    check(Hub(), age=0)


def test_one_that_was_shown_just_now_opens_and_is_remembered() -> None:
    hub = Hub(shown(time.time()))
    check(hub, times=3)
    assert hub.asked == ["t"]


NOT_PROVEN = [shown(None), shown(1.0), shown("now"), {"at": 9e9}, {"user": "bob", "at": 9e9}, {}, None, []]


@pytest.mark.parametrize("answer", NOT_PROVEN)
def test_everything_else_does_not(answer: object) -> None:
    with pytest.raises(StepUpNeeded) as refused:
        check(Hub(answer))
    assert (refused.value.status_code, refused.value.page) == (403, PAGE)


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_nobody_comes_in(token: str | None) -> None:
    with pytest.raises(StepUpNeeded):
        check(Hub(), token)


@pytest.mark.parametrize(("status", "answered"), [(404, 403), (403, 403), (502, 503), (500, 503)])
def test_when_it_cannot_be_known_nobody_comes_in(status: int, answered: int) -> None:
    with pytest.raises(Refusal) as refused:
        check(Hub(HubError(status, "no")))
    assert refused.value.status_code == answered


def test_one_token_says_nothing_of_another() -> None:
    hub = Hub(shown(time.time()), shown(None))
    entry = PolicyEntry(Policy(step_up=60), hub, PAGE)
    asyncio.run(entry.check(by("one")))
    with pytest.raises(StepUpNeeded):
        asyncio.run(entry.check(by("two")))
    assert hub.asked == ["one", "two"]


def test_a_hub_that_is_away_locks_nobody_out_who_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamspace_proxy.extension.entry.REMEMBER", 0.0)
    check(Hub(shown(time.time()), HubError(502, "away")), times=2)
    with pytest.raises(StepUpNeeded):
        check(Hub(shown(time.time()), HubError(403, "revoked")), times=2)


@pytest.mark.parametrize(
    ("headers", "trusted", "may"),
    [
        ({"X_Forwarded_For": "192.0.2.1"}, (), True),
        ({"X_Forwarded_For": "192.0.2.1, 203.0.113.1"}, (), False),
        ({"X_Forwarded_For": "203.0.113.1, 192.0.2.1"}, (), True),
        ({"X_Forwarded_For": "192.0.2.1, 127.0.0.2"}, (), False),
        ({"X_Forwarded_For": "192.0.2.1, 127.0.0.2"}, ("127.0.0.0/8",), True),
        ({"X_Real_IP": "192.0.2.1"}, (), False),
        ({}, (), False),
    ],
)
def test_only_what_the_proxies_have_seen_counts(headers: dict[str, str], trusted: tuple[str, ...], may: bool) -> None:
    entry = PolicyEntry(Policy(allow_networks=("192.0.2.0/24",)), Hub(), PAGE, trusted)
    if may:
        asyncio.run(entry.check(by("t", **headers)))
        return
    with pytest.raises(Refusal, match="network") as refused:
        asyncio.run(entry.check(by("t", **headers)))
    assert refused.value.status_code == 403


def test_who_may_not_come_from_there_is_not_sent_to_show_a_second_factor() -> None:
    entry = PolicyEntry(Policy(step_up=60, deny_networks=("127.0.0.0/8",)), Hub(), PAGE)
    with pytest.raises(Refusal) as refused:
        asyncio.run(entry.check(by("t")))
    assert not isinstance(refused.value, StepUpNeeded)


def test_the_hub_learns_how_a_session_woke_and_no_more() -> None:
    entry = PolicyEntry(Policy(step_up=60, allow_networks=("192.0.2.1",)), Hub(), PAGE)
    asyncio.run(entry.check(by("own", "/api/v1/status")))
    for token, path in (("own", "/ws"), ("own", "/api/v1/thumbnail"), ("other", "/api/v1/status"), (None, "/ws")):
        with pytest.raises(Refusal):
            asyncio.run(entry.check(by(token, path)))
