"""Two users of a hub that has room for one session: who waits starts in turn, and who is shared with comes in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from tests.browser.test_activity import sign_in
from tests.support import lab_on_hub
from tests.support.chromium import ARGUMENTS
from tests.support.hub import TempHub
from tests.support.lab_on_hub import desktop, open_lab, tile
from tests.support.service import SHARING, ServiceHub, service_hub
from tests.support.waiting import PATIENCE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.hub,
    pytest.mark.x11,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]

CONFIG = f"""
c.StreamSpace.capacity = {{"sessions": 1}}
{SHARING}
{lab_on_hub.CONFIG}
"""
TITLE = "Test app"
LIVE = "#streamspace[data-state=connected]"


@dataclass
class Two:
    """A hub, and two browsers in which its users have signed in."""

    running: ServiceHub
    browser: Browser
    ann: BrowserContext
    bob: BrowserContext

    @property
    def hub(self) -> TempHub:
        return self.running.hub

    async def my_desktops(self, context: BrowserContext) -> Page:
        page = await context.new_page()
        await page.goto(f"{self.hub.url}/services/streamspace/")
        await expect(page.get_by_role("heading", name="Apps")).to_be_visible()
        return page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two() -> AsyncIterator[Two]:
    expect.set_options(timeout=2 * PATIENCE * 1000)
    async with service_hub(config=CONFIG) as running, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        contexts = []
        for user in (running.ann, running.bob):
            context = await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 720})
            context.set_default_timeout(2 * PATIENCE * 1000)
            await sign_in(context, running.hub, user)
            contexts.append(context)
        yield Two(running, browser, *contexts)
        await browser.close()


async def test_who_waits_for_room_starts_in_turn_without_asking_again(two: Two) -> None:
    hub, ann = two.hub, two.running.ann
    lab = await open_lab(two.ann, hub, ann)
    await hub.start_server(ann, "first", {"app": "test-app"})
    page = await two.my_desktops(two.bob)
    # The tile's: a start that was refused leaves a stopped server, whose card has a button of the same name.
    start = page.get_by_role("button", name=f"Start {TITLE}").last
    waiting = page.get_by_role("status").filter(has_text=f"{TITLE} waits for room.")
    await start.click()
    await expect(waiting).to_contain_text("It is number 1 in the queue.")
    await page.get_by_role("button", name=f"Do not start {TITLE}").click()
    await expect(waiting).to_have_count(0)
    await start.click()
    await expect(waiting).to_contain_text("It is number 1 in the queue.")

    await tile(lab, TITLE).click()
    curtain = lab.locator(".streamspace-Curtain")
    place = curtain.get_by_role("status")
    await expect(curtain.get_by_role("heading", name=f"{TITLE} waits for room")).to_be_visible()
    await expect(place).to_have_text("The hub is full. You are number 2 in the queue.")

    await hub.stop_server(ann, "first")
    card = page.locator(".card", has=page.get_by_role("heading", name=TITLE, exact=True))
    await expect(card).to_contain_text("Running")
    await expect(waiting).to_have_count(0)
    await expect(place).to_have_text("The hub is full. You are number 1 in the queue.")

    await curtain.get_by_role("button", name="Cancel").click()
    await expect(curtain.get_by_role("heading", name=f"{TITLE} was not started")).to_be_visible()
    await curtain.get_by_role("button", name="Start again").click()
    await expect(place).to_have_text("The hub is full. You are number 1 in the queue.")
    await card.get_by_role("button", name=f"Stop {TITLE}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    await expect(desktop(lab).locator(LIVE)).to_be_visible()
    await hub.stop_server(ann, "test-app")
    await lab.close()
    await page.close()


async def test_a_session_is_shared_opened_and_taken_back(two: Two) -> None:
    hub, ann, bob = two.hub, two.running.ann, two.running.bob
    async with hub.session(ann, "shared"):
        mine = await two.my_desktops(two.ann)
        card = mine.locator(".card", has=mine.get_by_text("shared", exact=True))
        await card.get_by_role("button", name=f"Share {TITLE}").click()
        dialog = mine.get_by_role("dialog", name=f"Share {TITLE}")
        await expect(dialog).to_contain_text("It is shared with nobody.")
        name = dialog.get_by_role("textbox", name="Name of the user")
        await name.fill("nobody-here")
        await mine.keyboard.press("Enter")
        await expect(dialog.get_by_role("alert")).to_have_text("No such user: nobody-here.")
        await name.fill(bob)
        await mine.keyboard.press("Enter")
        await expect(dialog.get_by_label(f"Role of {bob}")).to_have_value("viewer")
        await dialog.get_by_label(f"Role of {bob}").select_option("controller")
        await expect(dialog.get_by_label(f"Role of {bob}")).to_have_value("controller")
        address = await dialog.get_by_label("Send them this address").input_value()
        assert address == f"{hub.url}/user/{ann}/shared/streamspace/"

        theirs = await two.bob.new_page()
        await theirs.goto(address)
        # JupyterHub asks whoever comes to somebody else's server for the first time.
        await theirs.get_by_role("button", name="Authorize").click()
        await expect(theirs.locator(LIVE)).to_be_visible()
        assert await theirs.evaluate("window.streamspace.role") == "controller"

        await dialog.get_by_role("button", name=f"Take back from {bob}").click()
        await expect(dialog).to_contain_text("It is shared with nobody.")
        await mine.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()


async def test_what_is_shared_stands_on_my_desktops_and_opens_as_what_it_was_shared_as(two: Two) -> None:
    hub, ann, bob = two.hub, two.running.ann, two.running.bob
    await two.running.join(bob, "class")
    theirs = await two.my_desktops(two.bob)
    section = theirs.get_by_role("region", name="Shared with you")
    await expect(section).to_have_count(0)
    async with hub.session(ann, "joint"):
        mine = await two.my_desktops(two.ann)
        await (
            mine.locator(".card", has=mine.get_by_text("joint", exact=True))
            .get_by_role("button", name=f"Share {TITLE}")
            .click()
        )
        dialog = mine.get_by_role("dialog", name=f"Share {TITLE}")
        await dialog.get_by_role("textbox", name="Name of the user").fill(bob)
        await mine.keyboard.press("Enter")
        await expect(dialog.get_by_label(f"Role of {bob}")).to_have_value("viewer")

        # The page finds it by itself, and shows what it shows.
        card = section.locator(".card")
        await expect(card).to_contain_text(f"Shared by {ann}")
        await expect(card).to_contain_text("Viewer")
        await expect(card.get_by_role("img", name=f"Picture of {TITLE}")).to_be_visible()
        await open_shared(theirs, card, ann, authorize=True)
        assert await theirs.evaluate("window.streamspace.role") == "viewer"

        await dialog.get_by_label("With", exact=True).select_option("group")
        await dialog.get_by_role("textbox", name="Name of the group").fill("class")
        await dialog.get_by_label("As", exact=True).select_option("controller")
        await dialog.get_by_role("button", name="Share", exact=True).click()
        await expect(dialog.get_by_label("Role of class")).to_have_value("controller")
        await theirs.goto(f"{hub.url}/services/streamspace/")
        await expect(card).to_contain_text(f"Shared by {ann} with class")
        await expect(card).to_contain_text("Controller")
        await open_shared(theirs, card, ann, authorize=False)
        # The session asks the hub once in ten seconds.
        async with asyncio.timeout(PATIENCE):
            while await theirs.evaluate("window.streamspace.role") != "controller":
                await theirs.reload()
                await expect(theirs.locator(LIVE)).to_be_visible()
    await theirs.close()
    await mine.close()


async def open_shared(page: Page, card: Locator, owner: str, *, authorize: bool) -> None:
    """Open what somebody shares from its card; JupyterHub asks whoever comes to their server for the first time."""
    await card.get_by_role("link", name=f"Open {TITLE} of {owner}").click()
    if authorize:
        await page.get_by_role("button", name="Authorize").click()
    await expect(page.locator(LIVE)).to_be_visible()
