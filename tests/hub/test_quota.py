"""Quotas are enforced where sessions start, whoever asks: the hub's API, a tile, the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.hub import TempHub, new_user, temp_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

APP = {"app": "test-app"}
QUOTAS = """\
c.StreamSpace.quotas = {
    "default": {"sessions": 1},
    "groups": {"staff": {"sessions": 2}},
    "users": {},
    "together": {"course": {"sessions": 1}},
}
c.JupyterHub.load_groups = {"staff": {"users": []}, "course": {"users": []}}
c.JupyterHub.load_roles.append({"name": "grouper", "services": ["test"], "scopes": ["groups"]})
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[TempHub]:
    async with temp_hub(new_user(), new_user(), extra=QUOTAS) as running:
        yield running


async def test_one_more_than_the_quota_is_refused_with_the_reason(hub: TempHub) -> None:
    user = hub.users[0]
    async with hub.session(user, "one"):
        refused = await hub.request_start(user, "two", APP)
        assert refused.status_code == 409
        message = refused.json()["message"]
        assert "the quota of this hub is 1 session, in use: 1 session." in message
        assert "Stop a session first: Test app." in message
        assert await hub.server(user, "two") is None
        other = hub.users[1]
        async with hub.session(other, "one"):
            pass
    async with hub.session(user, "two"):
        pass


async def test_a_group_gives_more_and_a_restarted_hub_counts_the_same(hub: TempHub) -> None:
    user = hub.users[1]
    (await hub.api("POST", "/groups/staff/users", json={"users": [user]})).raise_for_status()
    async with hub.session(user, "one"), hub.session(user, "two"):
        hub.kill()
        await hub.start()
        refused = await hub.request_start(user, "three", APP)
        assert refused.status_code == 409, refused.text
        assert "the quota of group staff is 2 sessions, in use: 2 sessions" in refused.json()["message"]


async def test_of_two_that_start_at_once_one_is_let_in(hub: TempHub) -> None:
    user = hub.users[0]
    replies = await asyncio.gather(*(hub.request_start(user, name, APP) for name in ("one", "two")))
    assert sorted(reply.status_code in (201, 202) for reply in replies) == [False, True]
    admitted = next(name for name, reply in zip(("one", "two"), replies, strict=True) if reply.status_code < 300)
    await hub.until_ready(user, admitted)
    await hub.stop_server(user, admitted)


async def test_ordinary_servers_do_not_count(hub: TempHub) -> None:
    user = hub.users[0]
    await hub.start_server(user, "")
    async with hub.session(user, "one"):
        pass
    await hub.stop_server(user, "")


async def test_who_would_rather_wait_is_told_the_place_and_let_in_when_a_session_of_theirs_has_ended(
    hub: TempHub,
) -> None:
    user = hub.users[0]
    waiting = APP | {"queue": True}
    async with hub.session(user, "one"):
        told = await hub.request_start(user, "two", waiting)
        assert told.status_code == 429, told.text
        said = told.json()["message"]
        assert "the quota of this hub is 1 session, in use: 1 session." in said
        assert "You are number 1 in the queue. Ask again: your place is kept for 60 seconds each time." in said
        assert (await hub.request_start(user, "three", APP)).status_code == 409, "who does not want to wait"
    overtaking = await hub.request_start(user, "three", APP)
    assert overtaking.status_code == 409
    assert "1 wait for room in the quota of this hub" in overtaking.json()["message"]
    async with hub.session(user, "two", waiting):
        pass


async def test_members_of_a_group_wait_for_what_they_have_together(hub: TempHub) -> None:
    first, second = hub.users
    (await hub.api("POST", "/groups/course/users", json={"users": hub.users})).raise_for_status()
    waiting = APP | {"queue": True}
    async with hub.session(first, "one"):
        refused = await hub.request_start(second, "one", APP)
        assert refused.status_code == 409
        said = "the quota of group course for all its members together is 1 session, in use: 1 session"
        assert said in refused.json()["message"]
        told = await hub.request_start(second, "one", waiting)
        assert told.status_code == 429
        assert said in told.json()["message"]
        assert "You are number 1 in the queue" in told.json()["message"]
    assert (await hub.request_start(first, "one", waiting)).status_code == 429, "it is the other's turn"
    async with hub.session(second, "one", waiting):
        pass
    (await hub.api("DELETE", "/groups/course/users", json={"users": hub.users})).raise_for_status()
