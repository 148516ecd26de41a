"""The service's pages in a browser, with somebody signed in."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page, expect

from tests.support.demo import Demo

ADDRESS = "/services/streamspace/"


def open_pages(
    context: BrowserContext, demo: Demo, *, user: str = "demo", view: str = "", heading: str = "Apps"
) -> Page:
    """Open the pages as one who comes by their address: the hub asks who it is, and sends them back."""
    page = context.new_page()
    page.goto(f"{demo.url}{ADDRESS}{view}")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", demo.password)
    page.click("input[type=submit], button[type=submit]")
    page.wait_for_url(f"**{ADDRESS}**")
    if view and view not in page.url:
        # The part behind # stays in the browser; the hub could not give it back.
        page.goto(f"{demo.url}{ADDRESS}{view}")
    expect(page.get_by_role("heading", name=heading).first).to_be_visible()
    return page
