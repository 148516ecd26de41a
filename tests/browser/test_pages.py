"""The service's pages at the demo's hub: signing in, My desktops, Admin, keyboard, languages, narrow and dark."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from tests.support.demo import Demo
from tests.support.lab import wait_for_picture
from tests.support.pages import ADDRESS, open_pages

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.x11]


@pytest.fixture
def english(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def mine(english: BrowserContext, demo: Demo) -> Page:
    """*My desktops* of the user `demo`."""
    return open_pages(english, demo)


def card(page: Page, title: str):  # type: ignore[no-untyped-def]
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=title, exact=True))


def test_a_session_is_started_opened_and_stopped(mine: Page, demo: Demo) -> None:
    demo.stop("terminal")
    # The tile's: a session that was stopped may stand above it, with a button of the same name.
    mine.get_by_role("button", name="Start Terminal", exact=True).last.click()
    expect(card(mine, "Terminal")).to_contain_text("Running")
    card(mine, "Terminal").get_by_role("link", name="Open Terminal").click()
    wait_for_picture(mine)
    mine.go_back()
    card(mine, "Terminal").get_by_role("button", name="Stop Terminal").click()
    dialog = mine.get_by_role("dialog", name="Stop Terminal")
    expect(dialog).to_contain_text("Work that is not saved is lost")
    dialog.get_by_role("button", name="Cancel").click()
    expect(card(mine, "Terminal")).to_contain_text("Running")
    card(mine, "Terminal").get_by_role("button", name="Stop Terminal").click()
    dialog.get_by_role("button", name="Stop").click()
    expect(card(mine, "Terminal")).to_contain_text("Stopped")
    card(mine, "Terminal").get_by_role("button", name="Take Terminal off the list").click()
    expect(card(mine, "Terminal")).to_have_count(0)


def test_a_session_that_is_started_elsewhere_appears(mine: Page, demo: Demo) -> None:
    demo.stop("elsewhere")
    demo.start("terminal", name="elsewhere")
    expect(mine.locator(".card .name", has_text="elsewhere")).to_be_visible()
    demo.stop("elsewhere")


def test_a_session_is_shown_with_what_it_shows(mine: Page, terminal: str) -> None:
    picture = mine.get_by_role("img", name="Picture of Terminal").first
    expect(picture).to_be_visible()
    size = picture.evaluate("one => one.decode().then(() => [one.naturalWidth, one.naturalHeight])")
    assert size[0] == 320
    first = picture.get_attribute("src")
    expect(picture).not_to_have_attribute("src", first or "")


# No browser without a screen hides a tab; this is all that a page is told of it.
HIDE = """how => {
  Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => how });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_pictures_are_asked_for_only_while_somebody_looks(english: BrowserContext, demo: Demo, terminal: str) -> None:
    asked: list[str] = []
    english.on("request", lambda request: asked.append(request.url) if request.url.endswith("/thumbnail") else None)
    page = open_pages(english, demo)
    expect(page.get_by_role("img", name="Picture of Terminal").first).to_be_visible()
    # From here the page's time is ours: its timers go when we say so, and waiting longer would show nothing more.
    page.clock.install()
    page.reload()

    def asks() -> bool:
        """Whether it asks for a picture while half a minute goes by."""
        before = len(asked)
        for _ in range(10):
            page.clock.run_for(3000)
            page.evaluate("fetch('favicon.ico')")  # what it has asked before this has been heard of
        return len(asked) > before

    def stops() -> bool:
        return not asks() and not asks()

    demo.wait_for(asks, "pictures that are looked at to be asked for")
    page.evaluate(HIDE, "hidden")
    demo.wait_for(stops, "those of a hidden tab not to be")
    page.evaluate(HIDE, "visible")
    demo.wait_for(asks, "those of a tab that is back to be")
    page.set_viewport_size({"width": 500, "height": 300})
    page.locator(".tile").last.scroll_into_view_if_needed()
    demo.wait_for(stops, "those out of view not to be")
    card(page, "Terminal").first.scroll_into_view_if_needed()
    demo.wait_for(asks, "those back in view to be")


def test_a_session_says_when_it_will_be_frozen(mine: Page, terminal: str) -> None:
    left = card(mine, "Terminal").get_by_text(re.compile(r"^Freezes in (1 hour|\d+ minutes)$"))
    expect(left).to_be_visible()
    expect(left).to_have_attribute("title", re.compile(r"^At \d+:\d\d.*, if nobody uses it\.$"))


def test_the_catalog_is_searched_and_sorted(mine: Page) -> None:
    tiles = mine.locator(".tile")
    everything = tiles.count()
    mine.get_by_role("searchbox", name="Search").fill("PHOTO")
    expect(tiles).to_have_count(1)
    expect(tiles).to_contain_text("GIMP")
    mine.get_by_role("searchbox", name="Search").fill("no such thing")
    expect(mine.get_by_text("No app matches.")).to_be_visible()
    mine.get_by_role("searchbox", name="Search").fill("")
    mine.get_by_role("button", name="Graphics", exact=True).click()
    assert 0 < tiles.count() < everything
    mine.get_by_role("button", name="All", exact=True).click()
    star = mine.get_by_role("button", name="Show Octave first")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(tiles.first).to_contain_text("Octave")
    mine.reload()
    expect(tiles.first).to_contain_text("Octave")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "false")


def test_what_an_app_may_do_says_where_each_value_comes_from(mine: Page) -> None:
    mine.get_by_role("button", name="What GIMP may do").click()
    rows = mine.get_by_role("dialog").get_by_role("row")
    expect(rows.filter(has_text="Frames a second")).to_contain_text("60")
    expect(rows.filter(has_text="Frames a second")).to_contain_text("built-in")
    mine.keyboard.press("Escape")
    expect(mine.get_by_role("dialog")).to_have_count(0)


def test_everything_can_be_done_by_keyboard(mine: Page) -> None:
    mine.keyboard.press("Tab")
    expect(mine.get_by_role("link", name="Skip to the content")).to_be_focused()
    mine.keyboard.press("Enter")
    expect(mine.locator("main")).to_be_focused()
    mine.get_by_role("searchbox", name="Search").focus()
    mine.keyboard.type("inkscape")
    expect(mine.locator(".tile")).to_have_count(1)
    info = mine.get_by_role("button", name="What Inkscape may do")
    for _ in range(30):
        mine.keyboard.press("Tab")
        if info.evaluate("one => one === document.activeElement"):
            break
    mine.keyboard.press("Enter")
    expect(mine.get_by_role("dialog")).to_be_visible()
    mine.keyboard.press("Escape")
    expect(info).to_be_focused()


def test_a_page_that_is_opened_while_the_database_is_away_fills_when_it_is_back(
    english: BrowserContext, demo: Demo
) -> None:
    problem = {"type": "urn:streamspace:problem:unavailable", "title": "-", "status": 503, "detail": "Not just now."}
    left = 2

    def away(route: Route) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            route.continue_()
        else:
            route.fulfill(status=503, json=problem, headers={"Content-Type": "application/problem+json"})

    english.route("**/api/v1/apps", away)
    page = open_pages(english, demo)  # which waits for the apps
    assert left < 0
    expect(page.get_by_text("Not just now.")).to_have_count(0)


def test_german_is_spoken_to_who_asks_for_it(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(locale="de-AT")
    page = open_pages(context, demo, heading="Programme")
    expect(page.get_by_role("searchbox", name="Suchen")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "de"
    page.get_by_label("Sprache").select_option("en")
    expect(page.get_by_role("heading", name="Apps")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Apps"), "the choice is kept").to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_computers_colours_and_fits_a_telephone(browser: Browser, demo: Demo, scheme: str) -> None:
    context = browser.new_context(locale="en-GB", color_scheme=scheme, viewport={"width": 360, "height": 740})  # type: ignore[arg-type]
    page = open_pages(context, demo)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360, "nothing sticks out"
    red, green, blue = (
        int(one) for one in re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
    )
    assert (red + green + blue < 200) is (scheme == "dark")
    context.close()


@pytest.fixture
def grouped(demo: Demo) -> Iterator[str]:
    """A group of the hub in which `demo` is, and `admin` is not."""
    group = "/groups/wallers"
    demo.api("POST", group, "admin").raise_for_status()
    demo.api("POST", f"{group}/users", "admin", json={"users": ["demo"]}).raise_for_status()
    yield "wallers"
    demo.api("DELETE", group, "admin").raise_for_status()


def test_administrators_act_on_many_and_read_the_audit_log(english: BrowserContext, demo: Demo, grouped: str) -> None:
    for name, user in (("wall-1", "demo"), ("wall-2", "demo"), ("wall-3", "admin")):
        demo.start("terminal", name=name, user=user)
    page = open_pages(english, demo, user="admin", view="#admin", heading="All sessions")
    cards = page.locator(".wall .card")
    page.get_by_role("searchbox", name="Search").fill("WALL-")
    expect(cards).to_have_count(3)
    wall = page.get_by_role("region", name="All sessions")
    wall.get_by_label("App", exact=True).select_option("Terminal")
    wall.get_by_label("State", exact=True).select_option("Running")
    expect(cards).to_have_count(3)
    wall.get_by_label("State", exact=True).select_option("Frozen")
    expect(cards).to_have_count(0)
    wall.get_by_label("State", exact=True).select_option("Any state")
    wall.get_by_label("Group", exact=True).select_option(grouped)
    expect(cards).to_have_count(2)

    def choose() -> None:
        page.get_by_label("Select all that are shown").check()
        expect(page.get_by_text("2 selected")).to_be_visible()

    choose()
    expect(page.get_by_role("button", name="Remove selected")).to_be_disabled()
    page.get_by_label("Keep awake for").select_option("4 hours")
    with (
        page.expect_response("**/demo/wall-1/extend") as first,
        page.expect_response("**/demo/wall-2/extend") as second,
    ):
        page.get_by_role("button", name="Keep selected awake").click()
    assert (first.value.status, second.value.status) == (200, 200)
    choose()
    page.get_by_role("button", name="Stop selected").click()
    dialog = page.get_by_role("dialog", name="Stop selected")
    expect(dialog).to_contain_text("Stop 2 sessions?")
    dialog.get_by_role("button", name="Stop selected").click()
    expect(page.locator(".wall .state[data-state=stopped]")).to_have_count(2)
    audit = page.get_by_role("region", name="Audit log")
    audit.get_by_label("Which").fill("demo/wall-2")
    audit.get_by_label("What", exact=True).fill("session.stop")
    audit.get_by_role("button", name="Find").click()
    row = audit.get_by_role("row").filter(has_text="demo/wall-2")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("user:admin")
    choose()
    page.get_by_role("button", name="Remove selected").click()
    dialog = page.get_by_role("dialog", name="Remove selected")
    expect(dialog).to_contain_text("Take 2 sessions off the list?")
    dialog.get_by_role("button", name="Remove selected").click()
    expect(cards).to_have_count(0)
    servers = demo.api("GET", "/users/demo?include_stopped_servers").json()["servers"]
    assert not {"wall-1", "wall-2"} & set(servers), "gone from the hub, too"
    demo.api("DELETE", "/users/admin/servers/wall-3", "admin", json={"remove": True})


def test_administrators_search_the_audit_log_by_time_origin_and_request(english: BrowserContext, demo: Demo) -> None:
    request = f"seen-{secrets.token_hex(8)}"
    headers = {"Authorization": f"Bearer {demo.token()}", "X-Request-Id": request}
    assert httpx.get(f"{demo.url}{ADDRESS}api/v1/audit", headers=headers, timeout=60).status_code == 403
    page = open_pages(english, demo, user="admin", view="#admin", heading="Audit log")
    audit = page.get_by_role("region", name="Audit log")
    lines = audit.get_by_role("row").filter(has_text="audit.read")

    def find(**fields: str) -> None:
        for label, value in fields.items():
            audit.get_by_label(label.replace("_", " "), exact=True).fill(value)
        audit.get_by_role("button", name="Find").click()

    find(Request=request, From_where="127.0.0.1", From="2024-01-01T00:00")
    expect(audit.get_by_role("row")).to_have_count(2)
    expect(lines).to_contain_text(request)
    expect(lines).to_contain_text("denied")
    for fields in ({"Before": "2024-01-02T00:00"}, {"Before": "", "From_where": "hub"}):
        find(**fields)
        expect(audit.get_by_text("No line matches.")).to_be_visible()
        find(Before="", From_where="127.0.0.1")
        expect(lines).to_have_count(1)


def test_administrators_see_and_save_what_was_used(english: BrowserContext, demo: Demo, terminal: str) -> None:
    page = open_pages(english, demo, user="admin", view="#admin", heading="Usage")
    section = page.get_by_role("region", name="Usage")
    expect(section.get_by_role("row").filter(has_text="demo")).to_be_visible()
    section.get_by_label("Added up by").select_option("app")
    expect(section.get_by_role("row").filter(has_text="terminal")).to_be_visible()
    with page.expect_download() as saving:
        section.get_by_role("button", name="Save as CSV").click()
    first, *rows = saving.value.path().read_text().splitlines()
    assert first.startswith("user,session,app,started,ended,seconds,")
    assert any(row.startswith("demo,terminal,terminal,") for row in rows)


def test_administrators_look_up_limits_and_policies(english: BrowserContext, demo: Demo) -> None:
    page = open_pages(english, demo, user="admin", view="#admin", heading="Limits and policies")
    page.get_by_label("Limits of user").fill("demo")
    page.get_by_role("region", name="Limits and policies").get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", name="Limits of demo")).to_be_visible()
    expect(page.get_by_text("There are no limits.")).to_be_visible()
    page.get_by_role("button", name="What GIMP may do").click()
    expect(page.get_by_role("dialog").get_by_text("Clipboard", exact=True)).to_be_visible()


def test_administrators_override_what_sessions_may_do_and_are_told_of_each_other(
    english: BrowserContext, demo: Demo
) -> None:
    page = open_pages(english, demo, user="admin", view="#admin", heading="Overrides")
    other = english.new_page()
    other.goto(f"{demo.url}{ADDRESS}#admin")

    def editor(of: Page) -> Locator:
        section = of.get_by_role("region", name="Overrides")
        section.get_by_label("Override for").select_option("user")
        section.get_by_label("Name of the group or user").fill("demo")
        section.get_by_role("button", name="Edit").click()
        found = section.get_by_role("form", name="user demo")
        expect(found).to_be_visible()
        return found

    mine, theirs = editor(page), editor(other)
    mine.get_by_label("Frames a second").fill("12")
    mine.get_by_label("Clipboard", exact=True).select_option("into the session")
    mine.get_by_label("Stopped after").fill("7200")
    mine.get_by_label("Hours in days", exact=True).fill("20 / 7")
    mine.get_by_role("button", name="Save").click()
    expect(mine.get_by_role("status")).to_have_text("Saved. It holds from the next start.")
    theirs.get_by_label("Frames a second").fill("30")
    theirs.get_by_role("button", name="Save").click()
    expect(theirs.get_by_role("alert")).to_contain_text("Somebody else has changed this since you read it.")
    theirs.get_by_role("button", name="Read it again").click()
    expect(theirs.get_by_label("Frames a second")).to_have_value("12")
    theirs.get_by_label("Frames a second").fill("500")
    theirs.get_by_role("button", name="Save").click()
    expect(other.get_by_role("alert")).to_contain_text("policy.max_fps: must be at most 120")
    other.close()
    # For the one whom it is about, who sees whose word it is.
    desktops = open_pages(english.browser.new_context(locale="en-GB"), demo)  # type: ignore[union-attr]
    desktops.get_by_role("button", name="What GIMP may do").click()
    rows = desktops.get_by_role("dialog").get_by_role("row")
    expect(rows.filter(has_text="Frames a second")).to_contain_text("12administrator, for the user")
    expect(rows.filter(has_text="Stopped after")).to_contain_text("2 hoursadministrator, for the user")
    expect(rows.filter(has_text="Taken off the list after")).to_contain_text("built-in")
    desktops.keyboard.press("Escape")
    expect(desktops.get_by_role("listitem").filter(has_text="Hours in 7 days")).to_contain_text("administrator")
    desktops.context.close()
    page.get_by_label("Limits of user").fill("demo")
    page.get_by_role("region", name="Limits and policies").get_by_role("button", name="Find").click()
    expect(page.get_by_text("set by an administrator, for the user")).to_be_visible()
    page.get_by_role("button", name="What GIMP may do").click()
    shown = page.get_by_role("dialog").get_by_role("row").filter(has_text="Clipboard").first
    expect(shown).to_contain_text("into the sessionadministrator, for the user")
    page.keyboard.press("Escape")
    mine.get_by_role("button", name="Clear").click()
    mine.get_by_role("button", name="Save").click()
    expect(mine.get_by_role("status")).to_have_text("Saved. It holds from the next start.")
    expect(page.get_by_role("region", name="Overrides").get_by_role("button", name="user demo")).to_have_count(0)


def test_what_is_announced_is_seen_by_everybody(browser: Browser, english: BrowserContext, demo: Demo) -> None:
    text = "Maintenance on Friday: <b>save</b> your work."
    page = open_pages(english, demo, user="admin", view="#admin", heading="Announcement")
    field = page.get_by_role("textbox", name="Announcement")
    field.fill(text)
    page.get_by_role("button", name="Announce", exact=True).click()
    expect(page.get_by_text("Everybody sees it from now on.")).to_be_visible()
    others = browser.new_context(locale="en-GB")
    theirs = open_pages(others, demo)
    expect(theirs.get_by_role("note"), "as text, whatever it holds").to_have_text(text)
    field.fill("")
    page.get_by_role("button", name="Announce", exact=True).click()
    expect(page.get_by_text("Everybody sees it from now on.")).to_be_visible()
    theirs.reload()
    expect(theirs.get_by_role("heading", name="Apps")).to_be_visible()
    expect(theirs.get_by_role("note")).to_have_count(0)
    others.close()


def test_maintenance_is_set_on_a_page_and_told_in_a_running_session(
    browser: Browser, english: BrowserContext, demo: Demo, terminal: str
) -> None:
    page = open_pages(english, demo, user="admin", view="#admin", heading="Announcement")
    section = page.get_by_role("region", name="Announcement")

    def announce(text: str) -> None:
        section.get_by_role("textbox", name="Announcement").fill(text)
        section.get_by_role("button", name="Announce", exact=True).click()
        expect(page.get_by_text("Everybody sees it from now on.")).to_be_visible()

    section.get_by_label("Maintenance: nothing starts meanwhile").check()
    section.get_by_label("Maintenance begins").fill("2099-12-31T18:00")
    section.get_by_label("minutes").fill("90")
    announce("The disks are being replaced.")
    others = browser.new_context(locale="en-GB")
    theirs = open_pages(others, demo)
    expect(theirs.get_by_role("note")).to_contain_text("The disks are being replaced. No app starts from")
    theirs.goto(f"{demo.url}/user/demo/{terminal}/streamspace/")
    banner = theirs.locator(".ss-announcement")
    expect(banner).to_contain_text("The disks are being replaced.")
    banner.get_by_role("button", name="Dismiss").click()
    expect(banner).to_be_hidden()
    section.get_by_label("Maintenance: nothing starts meanwhile").uncheck()
    announce("")
    others.close()


CUT_OFF = """() => [...document.querySelectorAll('input[placeholder]')].filter(one => {
  const written = one.value;
  one.value = one.placeholder;
  const cut = one.scrollWidth > one.clientWidth;
  one.value = written;
  return cut;
}).map(one => one.placeholder)"""
"""Placeholders that are longer than their fields."""


def test_what_a_field_of_the_admin_page_is_for_can_be_read(english: BrowserContext, demo: Demo) -> None:
    page = open_pages(english, demo, user="admin", view="#admin", heading="Second factors")
    expect(page.get_by_role("searchbox", name="Remove second factors of user")).to_be_visible()
    assert page.evaluate(CUT_OFF) == []
    page.get_by_label("Language").select_option("de")
    expect(page.get_by_role("heading", name="Zweite Faktoren")).to_be_visible()
    assert page.evaluate(CUT_OFF) == []


def test_the_admin_page_is_not_there_for_others(english: BrowserContext, demo: Demo) -> None:
    page = open_pages(english, demo, view="#admin")
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    expect(page.get_by_role("heading", name="All sessions")).to_have_count(0)


def test_signing_out_at_the_hub_signs_out_here(english: BrowserContext, demo: Demo) -> None:
    page = open_pages(english, demo)
    page.get_by_role("link", name="Sign out").click()
    page.wait_for_url(re.compile("/hub/(login|logout)"))
    # The service remembers for ten seconds whose token it was.
    demo.wait_for(lambda: page.goto(f"{demo.url}{ADDRESS}") and "/hub/login" in page.url, "a page to sign in")


def test_a_page_of_another_server_reads_nothing_with_our_cookie(english: BrowserContext, demo: Demo) -> None:
    """Users' servers have the same origin as our pages; scripts of theirs get neither the page nor the API."""
    page = open_pages(english, demo)
    page.goto(f"{demo.url}/hub/home")
    fetched = page.evaluate(
        """async address => {
          const got = async (path, options) => (await fetch(`${address}${path}`, options)).status;
          return [
            await got(''),
            await got('api/v1/user'),
            await got('api/v1/sessions', { method: 'POST', body: '{"app":"terminal"}' }),
            await got('api/v1/user', { headers: { 'X-XSRF-Token': 'guessed' } }),
          ];
        }""",
        ADDRESS,
    )
    assert fetched == [403, 403, 403, 403]
