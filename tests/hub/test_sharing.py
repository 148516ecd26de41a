"""Sessions shared over REST: with a user, with a group, as what, taken back; and on a hub that does not allow it."""

from __future__ import annotations

import pytest

from tests.support.service import ADMIN, SHARING, service_hub

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
