"""The extension under a real hub: who gets in, with which role, by every path; and the tiles of a real JupyterLab."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.support.hub import ROOT, TempHub, new_user, temp_hub
from tests.support.session_paths import PAGES, REQUESTS, SOCKETS

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

VIEW, CONTROL = "custom:streamspace:view", "custom:streamspace:control"
CONFIG = f"""
c.JupyterHub.load_roles.append({{
    "name": "sharer", "services": ["test"],
    "scopes": ["shares", "read:users:name", "read:groups:name", "{VIEW}", "{CONTROL}"],
}})
c.Authenticator.admin_users = {{"ss-test-admin"}}
c.Spawner.environment = {{"JUPYTER_CONFIG_PATH": run["folder"] + "/etc"}}
"""
PATHS = (*PAGES, *REQUESTS, *(("GET", path) for path in SOCKETS))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[TempHub]:
    async with temp_hub(new_user(), new_user(), extra=CONFIG) as running:
        folder = running.folder / "etc" / "jupyter_server_config.d"
        folder.mkdir(parents=True)
        source = ROOT / "proxy" / "jupyter_server_config.d" / "streamspace_proxy.json"
        (folder / source.name).write_text(source.read_text())
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(hub: TempHub) -> AsyncIterator[str]:
    """The URL of the first user's session."""
    owner = hub.users[0]
    await hub.start_server(owner, "one", {"app": "test-app"})
    yield f"{hub.url}/user/{owner}/one/streamspace/"
    await hub.stop_server(owner, "one")


def client(token: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"Authorization": f"token {token}"})


async def role_on_the_socket(url: str, token: str, query: str = "") -> str:
    async with client(token) as user, user.ws_connect(f"{url}ws{query}", protocols=["streamspace.v1"]) as ws:
        hello = await ws.receive_json(timeout=20)
        assert hello["type"] == "hello"
        return str(hello["role"])


async def assert_no_way_in(url: str, token: str) -> None:
    async with client(token) as user:
        for method, path in PATHS:
            headers = {"X-Streamspace-Role": "owner", "X-Streamspace-User": "root"}
            async with user.request(method, url + path, headers=headers, allow_redirects=False) as reply:
                assert reply.status == 403, (method, path, reply.status, await reply.text())
        for path in ("ws", "rfb"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await user.ws_connect(url + path)
            assert refused.value.status == 403


async def test_the_owner_comes_in(hub: TempHub, session: str) -> None:
    token = await hub.user_token(hub.users[0])
    assert await role_on_the_socket(session, token) == "owner"
    assert await role_on_the_socket(session, token, "?view=1") == "viewer"
    async with client(token) as owner:
        async with owner.get(f"{session}api/v1/status") as reply:
            assert reply.status == 200
        async with owner.get(f"{session}api/v1/metrics") as reply:
            assert reply.status == 200
            assert reply.content_type == "text/plain"
            assert "streamspace_session_frames_total" in await reply.text()
        async with owner.get(f"{session}api/v1/metrics?view=1") as reply:
            assert reply.status == 403


async def test_another_user_finds_every_path_closed(hub: TempHub, session: str) -> None:
    await assert_no_way_in(session, await hub.user_token(hub.users[1]))


async def test_an_admin_finds_every_path_closed(hub: TempHub, session: str) -> None:
    await assert_no_way_in(session, await hub.user_token("ss-test-admin"))


@pytest.mark.parametrize(("extra", "role"), [(None, None), (VIEW, "viewer"), (CONTROL, "controller")])
async def test_a_share_gives_the_role_of_its_scope(
    hub: TempHub, session: str, extra: str | None, role: str | None
) -> None:
    owner, guest = hub.users[:2]
    where = f"!server={owner}/one"
    scopes = [f"access:servers{where}", *([extra + where] if extra else [])]
    reply = await hub.api("POST", f"/shares/{owner}/one", json={"user": guest, "scopes": scopes})
    assert reply.status_code == 200, reply.text
    try:
        token = await hub.user_token(guest)
        if role is None:
            await assert_no_way_in(session, token)
            return
        assert await role_on_the_socket(session, token) == role
        async with client(token) as user:
            async with user.get(f"{session}api/v1/metrics") as answer:
                assert answer.status == 403
                assert "owner" in (await answer.json())["message"]
            for path in ("api/v1/open", "api/v1/stop"):
                async with user.post(session + path, json={"path": "/etc/hostname"}) as answer:
                    assert answer.status == 403, path
    finally:
        await hub.api("PATCH", f"/shares/{owner}/one", json={"user": guest, "scopes": scopes})


async def signed_in(hub: TempHub, user: str) -> aiohttp.ClientSession:
    """A browser that has signed in on the hub's form."""
    browser = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
    async with browser.get(f"{hub.url}/hub/login") as reply:
        assert reply.status == 200
    xsrf = next(cookie.value for cookie in browser.cookie_jar if cookie.key == "_xsrf")
    form = {"username": user, "password": "x", "_xsrf": xsrf}
    async with browser.post(f"{hub.url}/hub/login", data=form, allow_redirects=False) as reply:
        assert reply.status == 302, await reply.text()
    return browser


async def test_a_browser_signs_in_through_the_hub(hub: TempHub, session: str) -> None:
    async with await signed_in(hub, hub.users[0]) as browser:
        navigate = {"Sec-Fetch-Mode": "navigate"}
        async with browser.get(f"{session}?transport=rfb", headers=navigate) as reply:
            assert reply.status == 200
            assert str(reply.url) == f"{session}?transport=rfb"
            page = await reply.text()
        start = page.index(">", page.index('id="streamspace-config"')) + 1
        config = json.loads(page[start : page.index("</script>", start)])
        assert config["hub"] == {"home_url": "/hub/home", "stop_url": "api/v1/stop"}
        origin = {"Origin": hub.url, "Sec-Fetch-Mode": "websocket"}
        async with browser.ws_connect(f"{session}ws", headers=origin, protocols=["streamspace.v1"]) as ws:
            assert (await ws.receive_json(timeout=20))["role"] == "owner"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await browser.ws_connect(f"{session}ws", headers={**origin, "Origin": "https://evil.example"})
        # What the page's scripts do: `fetch`, with the token that the page was given.
        fetch = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
        for headers, status in ((fetch, 403), ({**fetch, "X-XSRFToken": config["xsrf"]}, 200)):
            async with browser.get(f"{session}api/v1/status", headers=headers) as reply:
                assert reply.status == status, await reply.text()
        async with browser.post(f"{session}api/v1/open", json={"path": "/x"}, headers=fetch) as reply:
            assert reply.status == 403


async def test_a_browser_of_another_user_is_refused(hub: TempHub, session: str) -> None:
    async with await signed_in(hub, hub.users[1]) as browser, browser.get(session) as reply:
        assert reply.status == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await browser.ws_connect(f"{session}ws")


async def test_a_session_stops_itself_for_its_owner(hub: TempHub) -> None:
    owner = hub.users[0]
    await hub.start_server(owner, "two", {"app": "test-app"})
    url = f"{hub.url}/user/{owner}/two/streamspace/api/v1/stop"
    async with client(await hub.user_token(owner)) as user, user.post(url) as reply:
        assert reply.status == 202, await reply.text()
    await hub.until_gone(owner, "two")


async def test_the_tiles_of_jupyterlab(hub: TempHub) -> None:
    owner = hub.users[0]
    await hub.start_server(owner, "", {})
    home = Path(hub.folder, "home", owner)
    (home / "a b.txt").write_text("a")
    api = f"{hub.url}/user/{owner}/streamspace/api/v1/"
    async with client(await hub.user_token(owner)) as user:

        async def ask(method: str, path: str, **request: Any) -> tuple[int, Any]:
            async with user.request(method, api + path, **request) as reply:
                text = await reply.text()
                return reply.status, json.loads(text) if text else None

        status, body = await ask("GET", "apps")
        assert (status, body["mode"]) == (200, "hub"), hub.log
        status, session = await ask("POST", "sessions", json={"app": "test-app", "open": "a b.txt"})
        assert status == 202, session
        assert session["url"] == f"/user/{owner}/test-app/streamspace/"
        async with user.get(f"{api}sessions/test-app/progress") as reply:
            lines = [line for line in (await reply.text()).splitlines() if line.startswith("data: ")]
        events = [json.loads(line.removeprefix("data: ")) for line in lines]
        assert events[-1] == {"progress": 100, "message": "Opening the session", "ready": True, "url": session["url"]}
        status, again = await ask("POST", "sessions", json={"app": "test-app"})
        assert (status, again["state"]) == (200, "running")
        status, again = await ask("POST", "sessions", json={"app": "test-app", "open": "a b.txt"})
        assert status in (200, 409), again  # 409: the desktop has no screen yet
        status, listed = await ask("GET", "sessions")
        assert "test-app" in [one["name"] for one in listed["sessions"]]
        assert "" not in [one["name"] for one in listed["sessions"]], "JupyterLab itself is no session"
        # This hub runs no service, which alone puts memory to sleep.
        assert (await ask("POST", "sessions/test-app/hibernate"))[0] == 501
        assert (await ask("POST", "sessions/no-such/freeze"))[0] == 404
        status, said = await ask("POST", "sessions/test-app/freeze")
        assert status == 204, said
        (frozen,) = [one for one in (await ask("GET", "sessions"))[1]["sessions"] if one["name"] == "test-app"]
        assert (frozen["state"], frozen["asleep_since"] > frozen["started"]) == ("frozen", True)
        assert (await ask("DELETE", "sessions/test-app"))[0] in (202, 204)
        await hub.until_gone(owner, "test-app")
        assert (await ask("POST", "sessions", json={"app": "no-such"}))[0] == 404
        assert (await ask("DELETE", "sessions/no-such"))[0] == 404
    # JupyterLab shared with somebody is not the owner's sessions shared with them.
    guest, scope = hub.users[1], f"access:servers!server={owner}/"
    shared = await hub.api("POST", f"/shares/{owner}/", json={"user": guest, "scopes": [scope]})
    assert shared.status_code == 200, shared.text
    async with client(await hub.user_token(guest)) as user:
        for method, path in (("GET", "apps"), ("GET", "sessions"), ("POST", "sessions")):
            async with user.request(method, api + path, json={"app": "test-app"}) as answer:
                assert answer.status == 403, (method, path)
    await hub.stop_server(owner, "")
