"""The service's pages by WCAG 2.1, levels A and AA, as far as axe (https://github.com/dequelabs/axe-core) can tell."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.demo import Demo
from tests.support.pages import ADDRESS, open_pages

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.x11]

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


def faults(page: Page) -> list[str]:
    """Return what axe finds, with the elements at fault."""
    found = Axe().run(page, options={"runOnly": LEVELS}).response
    assert len(found["passes"]) > 10, "it has looked"
    return [
        f"{one['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_in_any_page(browser: Browser, demo: Demo, terminal: str, scheme: str) -> None:
    context = browser.new_context(locale="en-GB", color_scheme=scheme)  # type: ignore[arg-type]
    mine = open_pages(context, demo)
    expect(mine.get_by_role("img", name="Picture of Terminal").first).to_be_visible()
    assert faults(mine) == []
    mine.get_by_role("button", name="What GIMP may do").click()
    expect(mine.get_by_role("dialog").get_by_role("row").first).to_be_visible()
    assert faults(mine) == []
    mine.goto(f"{demo.url}{ADDRESS}step-up")
    expect(mine.get_by_role("heading", name="Second factors")).to_be_visible()
    assert faults(mine) == []
    context.clear_cookies()
    admin = open_pages(context, demo, user="admin", view="#admin", heading="Audit log")
    expect(admin.get_by_role("region", name="Audit log").get_by_role("row").nth(1)).to_be_visible()
    assert faults(admin) == []
    section = admin.get_by_role("region", name="Overrides")
    section.get_by_label("Override for").select_option("everybody")
    section.get_by_role("button", name="Edit").click()
    expect(section.get_by_role("form")).to_be_visible()
    assert faults(admin) == []
    context.close()
