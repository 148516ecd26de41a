"""What groups have used, and who is in which, with a real hub's groups."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.hub import LIMIT
from tests.support.service import ADMIN, service_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11]

GROUPS = """\
c.JupyterHub.load_groups = {"arts": {"users": []}, "staff": {"users": []}}
c.JupyterHub.load_roles.append({"name": "grouper", "services": ["test"], "scopes": ["groups"]})
"""


async def test_groups_have_used_what_their_members_have() -> None:
    async with service_hub(config=GROUPS) as running:
        ann, bob = running.ann, running.bob
        for group, users in (("arts", [ann, bob]), ("staff", [ann])):
            (await running.hub.api("POST", f"/groups/{group}/users", json={"users": users})).raise_for_status()
        admin = await running.api(ADMIN)
        async with running.hub.session(ann, "one"), running.hub.session(bob, "two"):
            async with asyncio.timeout(LIMIT):
                report = (await admin("GET", "/usage", params={"by": "group"})).json()
                while report["total"]["sessions"] < 2:
                    await asyncio.sleep(0.2)
                    report = (await admin("GET", "/usage", params={"by": "group"})).json()
            first = (await admin("GET", "/users", params={"limit": 1})).json()
            second = (await admin("GET", "/users", params={"limit": 1, "after": first["next"]})).json()
            assert second["next"] is None
            found = {one["name"]: one["groups"] for one in first["users"] + second["users"]}
            assert found == {ann: ["arts", "staff"], bob: ["arts"]}
            assert (await (await running.api(ann))("GET", "/users")).status_code == 403
        sessions = {one["key"]: one["sessions"] for one in report["totals"]}
        assert sessions == {"arts": 2, "staff": 1}
        assert report["total"]["sessions"] == 2, "who is in two groups counts once"
        own = (await (await running.api(bob))("GET", "/usage", params={"by": "group"})).json()
        assert {one["key"]: one["sessions"] for one in own["totals"]} == {"arts": 1}, "their own part of it"
