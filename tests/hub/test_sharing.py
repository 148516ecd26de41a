"""Sessions shared over REST: with a user, with a group, as what, taken back; and on a hub that does not allow it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.hub.test_extension_hub import assert_no_way_in, client, role_on_the_socket
from tests.support.service import ADMIN, LIMIT, SHARING, Api, service_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11]


async def test_a_session_is_shared_and_taken_back() -> None:
    async with service_hub(config=SHARING) as running:
        hub, ann, bob = running.hub, running.ann, running.bob
        owner, guest, admin = await running.api(ann), await running.api(bob), await running.api(ADMIN)
        path = f"/sessions/{ann}/one"
        async with hub.session(ann, "one"):
            assert (await owner("GET", f"{path}/shares")).json() == {"shares": []}
            for role in ("controller", "viewer"):
                # Nobody keeps more than they were given last.
                reply = await owner("PUT", f"{path}/shares/users/{bob}", json={"role": role})
                assert reply.json() == {"shares": [{"kind": "user", "name": bob, "role": role}]}, reply.text
            shared = await owner("PUT", f"{path}/shares/groups/class", json={"role": "controller"})
            assert shared.json()["shares"][0] == {"kind": "group", "name": "class", "role": "controller"}

            assert (await guest("GET", path)).json()["name"] == "one"
            assert [one["user"] for one in (await guest("GET", "/sessions")).json()["sessions"]] == [ann]
            for method, where in (("GET", "shares"), ("PUT", f"shares/users/{bob}"), ("DELETE", "shares/groups/class")):
                body = {"json": {"role": "controller"}} if method == "PUT" else {}
                assert (await guest(method, f"{path}/{where}", **body)).status_code == 403, "it is the owner's"

            unknown = await owner("PUT", f"{path}/shares/users/nobody-of-that-name", json={"role": "viewer"})
            assert (unknown.status_code, unknown.json()["detail"]) == (404, "No such user: nobody-of-that-name.")
            bad = await owner("PUT", f"{path}/shares/users/{bob}", json={"role": "owner"})
            assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "role")
            assert (await owner("GET", f"/sessions/{ann}/two/shares")).status_code == 404

            assert (await owner("DELETE", f"{path}/shares/groups/class")).json()["shares"][0]["name"] == bob
            assert (await owner("DELETE", f"{path}/shares/users/{bob}")).json() == {"shares": []}
            fresh = await running.api(bob, scopes=["inherit"])
            assert (await fresh("GET", path)).status_code == 403

            scopes = ["access:services!service=streamspace", "servers!user", "custom:streamspace:control!user"]
            without = await (await running.api(ann, scopes=scopes))("GET", f"{path}/shares")
            assert without.status_code == 403
            assert "Users may not share sessions on this hub" in without.json()["detail"]
        lines = (await admin("GET", "/audit", params={"action": "session.share"})).json()["events"]
        assert [(line["outcome"], line["details"].get("role")) for line in reversed(lines)] == [
            ("allowed", "controller"),
            ("allowed", "viewer"),
            ("allowed", "controller"),
            ("denied", None),
            ("allowed", "viewer"),
            ("failed", None),
        ]


async def test_what_is_shared_is_listed_and_opened_as_what_it_was_shared_as() -> None:
    config = f'{SHARING}\nc.StreamSpace.quotas = {{"default": {{"storage": "1G"}}}}'
    async with service_hub(config=config) as running:
        hub, ann, bob = running.hub, running.ann, running.bob
        owner, path = await running.api(ann), f"/sessions/{ann}/one"
        await running.join(bob, "class")
        async with hub.session(ann, "one") as server:
            url = f"{hub.url}{server['url']}streamspace/"
            token = await running.token(bob, ["inherit"])
            await assert_no_way_in(url, token)
            await owner("PUT", f"{path}/shares/groups/class", json={"role": "viewer"})

            guest = Api(hub.url, token)
            (found,) = await shared_with(guest, bob)
            assert (found["user"], found["name"], found["state"]) == (ann, "one", "running")
            assert (found["role"], found["groups"], found["storage"]) == ("viewer", ["class"], None)
            known = (await guest("GET", path)).json()
            assert (known["name"], known["storage"]) == ("one", None), "what their files take is the owner's business"
            assert (await owner("GET", path)).json()["storage"] is not None
            assert await eventual_role(url, token, "viewer") == "viewer"
            for what in ("stop", "freeze", "hibernate"):
                assert (await guest("POST", f"{path}/{what}")).status_code == 403, what

            # What the pages' tokens hold: bob's own sessions, and what is shared with him. It shows no share by itself.
            enter = "access:services!service=streamspace"
            usual = [enter, "custom:streamspace:view!user", "access:servers!user"]
            pages = await running.api(bob, scopes=[*usual, "read:users:shares!user"])
            assert (await pages("GET", "/sessions")).json()["sessions"] == []
            assert await picture(pages, path), "the session lets such a token look"
            narrow = await running.api(bob, scopes=usual)
            for refused in (f"/users/{bob}/shared", path, f"{path}/thumbnail"):
                assert (await narrow("GET", refused)).status_code == 403, refused
            assert (await guest("GET", f"/users/{ann}/shared")).status_code == 403
            await guest.client.aclose()

            # With the user himself too: the one with more rights counts.
            await owner("PUT", f"{path}/shares/users/{bob}", json={"role": "controller"})
            later = await running.api(bob, scopes=["inherit"])
            (found,) = await shared_with(later, bob)
            assert (found["role"], found["groups"]) == ("controller", ["class"])
            await owner("DELETE", f"{path}/shares/users/{bob}")
            await owner("DELETE", f"{path}/shares/groups/class")
            assert await shared_with(await running.api(bob, scopes=["inherit"]), bob) == []
            async with asyncio.timeout(LIMIT):
                while (await guest_status(url, await running.token(bob))) != 403:
                    await asyncio.sleep(0.5)


async def shared_with(api: Api, user: str) -> list[dict[str, Any]]:
    """Return what is shared with a user."""
    reply = await api("GET", f"/users/{user}/shared")
    assert reply.status_code == 200, reply.text
    assert reply.json()["total"] == len(reply.json()["sessions"])
    return list(reply.json()["sessions"])


async def eventual_role(url: str, token: str, wanted: str) -> str:
    """Return the role of `token`'s owner, once the session has heard of a share: it asks once in ten seconds."""
    async with asyncio.timeout(LIMIT):
        while await guest_status(url, token) == 403:
            await asyncio.sleep(0.5)
    role = await role_on_the_socket(url, token)
    assert role == wanted
    return role


async def guest_status(url: str, token: str) -> int:
    """Return what the session at `url` answers to `token`."""
    async with client(token) as guest, guest.get(f"{url}api/v1/status") as reply:
        return reply.status


async def picture(api: Api, path: str) -> bytes:
    """Return what a session shows, once it shows something."""
    async with asyncio.timeout(LIMIT):
        while (reply := await api("GET", f"{path}/thumbnail")).status_code == 503:
            await asyncio.sleep(1)
    assert reply.status_code == 200, reply.text
    return reply.content
