"""A session that sleeps with its memory, on the service's pages and on the hub's own: seen, and woken from each."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from tests.browser.test_activity import sign_in
from tests.support import lab_on_hub
from tests.support.chromium import ARGUMENTS
from tests.support.hub import AS_ROOT
from tests.support.hub_desktop import SLEEPER, HubDesktop
from tests.support.lab_on_hub import desktop, open_lab
from tests.support.service import ADMIN, Api, service_hub
from tests.support.sleeping import as_it_was, needs_memory, settled, type_text
from tests.support.waiting import PATIENCE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.hub,
    pytest.mark.x11,
    pytest.mark.timeout(600),
    needs_memory,
    pytest.mark.skipif(not AS_ROOT, reason="a hub that is not root's puts images into the home of whoever runs tests"),
]

CONFIG = f"""
{lab_on_hub.CONFIG}
c.StreamSpace.memory_sleep = True
c.Spawner.options_form = "What shall it be? <input name=any>"
with open(run["folder"] + "/apps/sleeper.yaml", "w") as file:
    file.write({SLEEPER!r})
"""
TITLE = "Sleeper"


async def my_desktops(context: BrowserContext, url: str) -> Page:
    page = await context.new_page()
    await page.goto(f"{url}/services/streamspace/")
    await expect(page.get_by_role("heading", name="Apps")).to_be_visible()
    return page


async def test_what_sleeps_is_seen_and_woken_on_every_page() -> None:
    expect.set_options(timeout=PATIENCE * 1000)
    async with service_hub(config=CONFIG) as running, async_playwright() as playwright:
        hub, user = running.hub, running.ann
        await hub.start_server(user, "sleeper", {"app": "sleeper"})
        desktop = HubDesktop(hub)
        await desktop.running()
        await type_text(desktop, 30 * "not saved ")
        before = await settled(desktop)
        ann: Api = await running.api(user)
        path = f"/sessions/{user}/sleeper"

        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        context = await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 720})
        context.set_default_timeout(3 * PATIENCE * 1000)
        await sign_in(context, hub)

        mine = await my_desktops(context, hub.url)
        card = mine.locator(".card", has=mine.get_by_role("heading", name=TITLE, exact=True))
        await card.get_by_role("button", name=f"Freeze {TITLE}").click()
        await expect(card).to_contain_text("Frozen since")
        await card.get_by_role("button", name=f"Wake {TITLE}").click()
        await expect(card).to_contain_text("Running")
        await card.get_by_role("button", name=f"Put {TITLE} to sleep").click()
        await expect(card.locator(".state")).to_contain_text("MB")
        await expect(card).to_contain_text("Asleep since")
        assert desktop.processes() == []

        home = await context.new_page()
        await home.goto(f"{hub.url}/hub/home")
        asleep = home.get_by_role("region", name="Asleep")
        await expect(asleep).to_contain_text("MB")
        await expect(asleep.locator("time")).not_to_contain_text("T")
        await asleep.get_by_role("link", name="Wake").click()
        # Without the form, whose answer would start something else: it goes on to the session's page.
        await home.wait_for_url(f"**/user/{user}/sleeper/streamspace/**")
        await expect(home.locator("#streamspace[data-state=connected]")).to_be_visible()
        await as_it_was(HubDesktop(hub), before)
        await expect(card).to_contain_text("Running")
        await home.close()

        await card.get_by_role("button", name=f"Put {TITLE} to sleep").click()
        await ann.until(path, "sleeping")
        await expect(card.get_by_role("button", name=f"Take {TITLE} off the list")).to_be_visible()

        visit = await context.new_page()
        await visit.goto(f"{hub.url}/user/{user}/sleeper/streamspace/")
        await expect(visit.get_by_role("heading", name="is asleep")).to_be_visible()
        await expect(visit.get_by_role("link", name="Wake")).to_be_visible()
        # By itself, while somebody looks.
        await visit.wait_for_url(f"**/user/{user}/sleeper/streamspace/**")
        await expect(visit.locator("#streamspace[data-state=connected]")).to_be_visible()
        await as_it_was(HubDesktop(hub), before)
        await visit.close()
        await browser.close()


async def test_many_are_put_to_sleep_at_once_and_one_from_jupyterlab() -> None:
    expect.set_options(timeout=PATIENCE * 1000)
    async with service_hub(config=CONFIG) as running, async_playwright() as playwright:
        hub, users = running.hub, (running.ann, running.bob)
        for user in users:
            await hub.start_server(user, "sleeper", {"app": "sleeper"})
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        admins, anns = [
            await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 720}) for _ in range(2)
        ]
        await sign_in(admins, hub, ADMIN)
        await sign_in(anns, hub)

        page = await admins.new_page()
        await page.goto(f"{hub.url}/services/streamspace/#admin")
        for text, state in (
            ("Freeze selected", "frozen"),
            ("Wake selected", "running"),
            ("Put selected to sleep", "sleeping"),
        ):
            await page.get_by_label("Select all that are shown").check()
            await expect(page.get_by_text("2 selected")).to_be_visible()
            await page.get_by_role("button", name=text).click()
            await expect(page.locator(f".wall .state[data-state={state}]")).to_have_count(2)
        audit = (await (await running.api(ADMIN))("GET", "/audit", params={"actor": f"user:{ADMIN}"})).json()["events"]
        did = {(line["action"], line["target"]) for line in audit if line["outcome"] == "allowed"}
        verbs = ("session.freeze", "session.thaw", "session.hibernate")
        assert did >= {(verb, f"{user}/sleeper") for verb in verbs for user in users}

        lab = await open_lab(anns, hub, running.ann)
        await lab.get_by_role("tab", name="Desktop sessions").click()
        row = lab.locator("#streamspace-sessions li", has_text=TITLE)
        await expect(row).to_have_attribute("data-state", "sleeping")
        await row.get_by_role("button", name=f"Wake up {TITLE}").click()
        await expect(desktop(lab).locator("#streamspace[data-state=connected]")).to_be_visible()
        await row.get_by_role("button", name=f"Put {TITLE} to sleep").click()
        await expect(row).to_have_attribute("data-state", "sleeping")
        await expect(row).to_contain_text("MB")
        await expect(lab.get_by_role("heading", name=f"{TITLE} is asleep")).to_be_visible()
        await browser.close()
