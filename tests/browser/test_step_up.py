"""A second factor before a session that asks for one is opened: on every way in, by REST and in a browser."""

from __future__ import annotations

import asyncio
import time
from base64 import b32decode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from streamspace_hub.service.totp import STEP, code_at
from tests.support.chromium import ARGUMENTS
from tests.support.service import ADMIN, Api, ServiceHub, service_hub
from tests.support.session_paths import PAGES, REQUESTS, SOCKETS
from tests.support.waiting import PATIENCE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.hub,
    pytest.mark.x11,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]

CONFIG = """
with open(run["folder"] + "/apps/ledger.yaml", "w") as file:
    file.write("name: ledger\\ntitle: Ledger\\ncommand: [xterm]\\npolicy: {step_up: 3600}\\n")
"""
PATHS = (*PAGES, *REQUESTS, *(("GET", path) for path in SOCKETS))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ServiceHub]:
    async with service_hub(config=CONFIG) as found:
        for user in (found.ann, found.bob):
            await found.hub.start_server(user, "ledger", {"app": "ledger"})
        yield found


class App:
    """An authenticator app. It waits for a code that was not used yet."""

    def __init__(self, secret: str) -> None:
        self._secret = b32decode(secret + "=" * (-len(secret) % 8))
        self._used = 0

    def code(self) -> str:
        """Return a code that is taken: the next one, which a clock may be ahead by, where this one was used."""
        step = max(int(time.time() // STEP), self._used + 1)
        assert step <= time.time() // STEP + 1, "two codes in half a minute are all there are"
        self._used = step
        return code_at(self._secret, step)

    def wrong(self) -> str:
        """Return a code that is right at no time near."""
        near = {code_at(self._secret, int(time.time() // STEP) + by) for by in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222") if code not in near)


def session_of(running: ServiceHub, user: str) -> str:
    return f"{running.hub.url}/user/{user}/ledger/streamspace/"


def client(token: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"Authorization": f"token {token}"})


async def role(url: str, token: str) -> str:
    async with client(token) as user, user.ws_connect(f"{url}ws", protocols=["streamspace.v1"]) as ws:
        return str((await ws.receive_json(timeout=20))["role"])


async def assert_closed(url: str, token: str) -> None:
    async with client(token) as user:
        for method, path in PATHS:
            # As JupyterLab's tab opens the page; a tab of the browser is sent to the service instead.
            headers = {"Sec-Fetch-Dest": "iframe"}
            async with user.request(method, url + path, headers=headers, allow_redirects=False) as reply:
                text = await reply.text()
                assert reply.status == 403, (method, path, reply.status, text)
                assert "second factor" in text or path.endswith("hibernate"), (path, text)
        for path in ("ws", "rfb"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await user.ws_connect(url + path)
            assert refused.value.status == 403


async def until_refused(url: str, token: str) -> None:
    """Wait until a session no longer remembers that it has let this token in."""
    async with asyncio.timeout(PATIENCE), client(token) as user:
        while True:
            async with user.get(f"{url}api/v1/status") as reply:
                if reply.status == 403:
                    return
            await asyncio.sleep(0.2)


async def set_up(api: Api, user: str) -> App:
    begun = await api("POST", f"/users/{user}/factors/totp", json={"label": "phone"})
    assert begun.status_code == 201, begun.text
    app = App(begun.json()["secret"])
    done = await api("POST", f"/users/{user}/factors/totp/confirm", json={"code": app.code()})
    assert done.status_code == 200, done.text
    assert [one["label"] for one in done.json()["factors"]] == ["phone"]
    return app


async def test_every_way_in_is_closed_until_a_second_factor_was_shown(running: ServiceHub) -> None:
    url = session_of(running, running.ann)
    token, other = await running.token(running.ann), await running.token(running.ann)
    ann, elsewhere = Api(running.hub.url, token), Api(running.hub.url, other)
    await assert_closed(url, token)
    picture = await ann("GET", f"/sessions/{running.ann}/ledger/thumbnail")
    assert picture.status_code == 503, "nor is there a picture of it"

    app = await set_up(ann, running.ann)
    assert await role(url, token) == "owner", "what was set up was shown"
    await assert_closed(url, other)

    # A stolen token opens nothing, and adds no second factor of its owner's.
    for request in (("POST", "/totp"), ("DELETE", "")):
        refused = await elsewhere(request[0], f"/users/{running.ann}/factors{request[1]}", json={})
        assert (refused.status_code, "Show one" in refused.json()["detail"]) == (403, True)
    code = app.code()
    wrong = await elsewhere("POST", "/step-up", json={"code": app.wrong()})
    assert wrong.status_code == 403, wrong.text
    assert (await elsewhere("POST", "/step-up", json={"code": code})).status_code == 200
    assert await role(url, other) == "owner"
    again = await elsewhere("POST", "/step-up", json={"code": code})
    assert (again.status_code, again.json()["detail"]) == (403, "That is not right, or was used already.")
    for bad in ("12345", "abcdef", "1234567"):
        refused = await elsewhere("POST", "/step-up", json={"code": bad})
        assert refused.status_code == 422
        assert "code" in refused.text
        assert "six digits" in refused.text

    # Guessing takes ever longer, whoever guesses.
    for _ in range(4):
        last = await ann("POST", "/step-up", json={"code": app.wrong()})
    assert last.status_code == 403
    limited = await elsewhere("POST", "/step-up", json={"code": app.wrong()})
    assert limited.status_code == 429
    assert 0 < int(limited.headers["retry-after"]) <= 31

    # Another user's is none of hers, and not hers to see or change; an administrator takes it away.
    bob, admin = await running.api(running.bob), await running.api(ADMIN)
    await assert_closed(session_of(running, running.bob), await running.token(running.bob))
    for method in ("GET", "DELETE"):
        assert (await ann(method, f"/users/{running.bob}/factors")).status_code == 403
        assert (await bob(method, f"/users/{running.ann}/factors")).status_code == 403
    assert (await admin("DELETE", f"/users/{running.ann}/factors")).status_code == 204
    for one in (token, other):
        await until_refused(url, one)
        await assert_closed(url, one)
    assert (await ann("GET", f"/users/{running.ann}/factors")).json()["factors"] == []
    assert (await ann("POST", "/step-up", json={"code": app.wrong()})).status_code == 409

    lines = (await admin("GET", "/audit?limit=500")).json()["events"]
    mine = {(one["action"], one["outcome"]) for one in lines if one["target"] == running.ann}
    assert {
        ("factors.add", "allowed"),
        ("factors.add", "denied"),
        ("step-up", "allowed"),
        ("step-up", "denied"),
        ("factors.remove", "denied"),
        ("factors.remove", "allowed"),
    } <= mine
    await ann.client.aclose()
    await elsewhere.client.aclose()


async def test_the_database_holds_no_secret_and_only_the_service_has_the_key(running: ServiceHub) -> None:
    begun = await (await running.api(running.ann))("POST", f"/users/{running.ann}/factors/totp", json={})
    secret = begun.json()["secret"]
    files = [file.read_bytes() for file in running.hub.folder.rglob("streamspace.sqlite*")]
    assert files
    assert all(secret.encode() not in content for content in files)
    for token in (running.hub.token, await running.token(ADMIN), await running.token(running.ann)):
        for method, path in (
            ("GET", "/streamspace/step-up/key"),
            ("PUT", "/streamspace/step-up"),
            ("DELETE", f"/streamspace/step-up/users/{running.ann}"),
        ):
            body: Any = {"user": running.ann, "credential": "token:a1", "at": time.time()} if method == "PUT" else None
            reply = await running.hub.api(method, path, token=token, json=body)
            assert reply.status_code == 403, (method, path)


async def signed_in(context: BrowserContext, url: str, user: str, path: str) -> Page:
    """Open a session's page as somebody who has to sign in first."""
    page = await context.new_page()
    await page.goto(f"{url}/hub/login?next={quote(path)}")
    await page.fill("input[name=username]", user)
    await page.fill("input[name=password]", "x")
    await page.click("input[type=submit], button[type=submit]")
    return page


async def shows_the_desktop(page: Page) -> None:
    await page.wait_for_function(
        "() => window.streamspace && window.streamspace.connected && window.streamspace.stats().frames > 0"
    )


async def test_in_a_browser_the_session_opens_after_the_code(running: ServiceHub) -> None:
    expect.set_options(timeout=PATIENCE * 1000)
    path = f"/user/{running.bob}/ledger/streamspace/"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        context = await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
        context.set_default_timeout(PATIENCE * 1000)
        page = await signed_in(context, running.hub.url, running.bob, f"{path}?transport=websocket")
        await page.wait_for_url("**/services/streamspace/step-up?**")
        await page.get_by_role("button", name="Set up an authenticator app").click()
        await expect(page.get_by_role("img", name="QR code for the app")).to_be_visible()
        app = App(await page.locator("code").inner_text())
        await page.get_by_label("Six-digit code").fill(app.code())
        await page.get_by_role("button", name="Confirm").click()
        await page.wait_for_url(f"**{path}?transport=websocket")
        await shows_the_desktop(page)

        # Another sign-in of the same user, who has the factor already.
        other = await browser.new_context(locale="de-DE")
        other.set_default_timeout(PATIENCE * 1000)
        elsewhere = await signed_in(other, running.hub.url, running.bob, path)
        await expect(elsewhere.get_by_role("heading", name="Sind Sie es?")).to_be_visible()
        await elsewhere.get_by_label("Sechsstelliger Code").fill(app.wrong())
        await elsewhere.get_by_role("button", name="Bestätigen").click()
        await expect(elsewhere.get_by_role("alert")).to_contain_text("not right")
        await elsewhere.get_by_label("Sechsstelliger Code").fill(app.code())
        await elsewhere.get_by_role("button", name="Bestätigen").click()
        await elsewhere.wait_for_url(f"**{path}")
        await shows_the_desktop(elsewhere)
        await browser.close()


async def test_in_a_browser_the_session_opens_after_a_security_key_was_touched(running: ServiceHub) -> None:
    expect.set_options(timeout=PATIENCE * 1000)
    # Browsers know keys for names, not for addresses.
    url = running.hub.url.replace("127.0.0.1", "localhost")
    path = f"/user/{running.ann}/ledger/streamspace/"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        credential: Any = None
        for button in ("Set up a security key", "Use a security key", "Use a security key"):
            context = await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
            context.set_default_timeout(PATIENCE * 1000)
            page = await signed_in(context, url, running.ann, f"{path}?transport=websocket")
            await page.wait_for_url("**/services/streamspace/step-up?**")
            # A key for USB, which is touched as soon as it is asked.
            devtools = await context.new_cdp_session(page)
            await devtools.send("WebAuthn.enable")
            options = {"protocol": "ctap2", "transport": "usb", "automaticPresenceSimulation": True}
            added = await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
            number = {"authenticatorId": added["authenticatorId"]}
            if credential is not None:
                await devtools.send("WebAuthn.addCredential", {**number, "credential": credential})
            await page.get_by_role("button", name=button).click()
            if credential is not None and credential["signCount"] == 0:
                # A copy of the key, whose counter stands where it stood before.
                await expect(page.get_by_role("alert")).to_contain_text("not right")
                break
            await page.wait_for_url(f"**{path}?transport=websocket")
            await shows_the_desktop(page)
            (found,) = (await devtools.send("WebAuthn.getCredentials", number))["credentials"]
            credential = {**found, "signCount": 0} if credential is not None else found
            await context.close()
        await browser.close()
    factors = (await (await running.api(running.ann))("GET", f"/users/{running.ann}/factors")).json()["factors"]
    assert [one["kind"] for one in factors] == ["webauthn"]
