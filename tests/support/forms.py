"""Somebody at a browser without scripts: follows redirects and links, keeps cookies, fills in forms."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import TracebackType

import httpx


@dataclass
class Form:
    """A form of a page, and what stands in it."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """The forms and links of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._text: list[str] = []
        self._silent = False
        self.feed(html)

    @property
    def text(self) -> str:
        """What it says, with single blanks."""
        return " ".join(" ".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, an input of the last one, or a link."""
        given = {name: value or "" for name, value in attrs}
        self._silent = tag in ("script", "style")
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "input" and self.forms and "name" in given:
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])

    def handle_endtag(self, tag: str) -> None:
        """Note that a script has ended."""
        self._silent = False

    def handle_data(self, data: str) -> None:
        """Note text."""
        if not self._silent:
            self._text.append(data)


class Visitor:
    """One such browser, which trusts the authority of `certificate` beside none."""

    def __init__(self, certificate: Path | None = None) -> None:
        trusted = ssl.create_default_context(cafile=certificate) if certificate else True
        self.client = httpx.AsyncClient(follow_redirects=True, verify=trusted, timeout=60)
        self.reply = httpx.Response(200)
        self.page = Page("")

    async def __aenter__(self) -> Visitor:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()

    async def open(self, url: str) -> Page:
        """Open an address."""
        return self._seen(await self.client.get(url))

    async def follow(self, part: str) -> Page:
        """Follow the page's link that has `part` in it."""
        link = next(link for link in self.page.links if part in link)
        return await self.open(str(self.reply.url.join(link)))

    async def send(self, **fields: str) -> Page:
        """Fill the page's only form in and send it."""
        (form,) = self.page.forms
        unknown = set(fields) - set(form.fields)
        assert not unknown, f"no such fields: {unknown}; {form}"
        return self._seen(await self.client.post(self.reply.url.join(form.action), data={**form.fields, **fields}))

    def _seen(self, reply: httpx.Response) -> Page:
        self.reply, self.page = reply, Page(reply.text)
        return self.page
