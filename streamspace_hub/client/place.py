"""Where the hub is and who asks, from arguments or the environment. Asks nobody."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from streamspace_hub.client.errors import NotConfiguredError

SERVICE = "services/streamspace"


@dataclass(frozen=True)
class Place:
    """A hub, and a token of it."""

    url: str
    """The hub's base URL, without a slash at its end."""
    token: str = field(repr=False)

    @property
    def api(self) -> str:
        """URL of the service's REST API, with a slash at its end."""
        return f"{self.url}/{SERVICE}/api/v1/"

    def page(self, path: str) -> str:
        """Return the URL of a path from the origin's root, such as a session's `url`."""
        parts = urlsplit(self.url)
        return path if "://" in path else f"{parts.scheme}://{parts.netloc}{path}"


def find_place(url: str | None = None, token: str | None = None, environ: Mapping[str, str] | None = None) -> Place:
    """Return the place that arguments name, else `STREAMSPACE_URL` and `STREAMSPACE_TOKEN`, else a session's own hub.

    Inside a server of the hub, `JUPYTERHUB_API_TOKEN` is the token, and the address is that of the hub's proxy:
    `STREAMSPACE_PROXY_URL` or `JUPYTERHUB_PUBLIC_HUB_URL`, else what `JUPYTERHUB_API_URL` begins with.

    Raises:
        NotConfiguredError: there is no address or no token, or the address is none.
    """
    environ = os.environ if environ is None else environ
    address = url or environ.get("STREAMSPACE_URL") or _hub_of(environ)
    secret = token or environ.get("STREAMSPACE_TOKEN") or environ.get("JUPYTERHUB_API_TOKEN")
    if not address:
        raise NotConfiguredError("Say where the hub is: set STREAMSPACE_URL, e.g. https://hub.example.org")
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc:
        raise NotConfiguredError(f"STREAMSPACE_URL is {address!r}; it is the hub's address, http://... or https://...")
    if not secret:
        raise NotConfiguredError(
            f"There is no token: make one at {address.rstrip('/')}/hub/token and set STREAMSPACE_TOKEN."
        )
    return Place(address.rstrip("/"), secret)


def _hub_of(environ: Mapping[str, str]) -> str | None:
    base = environ.get("JUPYTERHUB_BASE_URL", "/").rstrip("/")
    proxy = environ.get("STREAMSPACE_PROXY_URL") or environ.get("JUPYTERHUB_PUBLIC_HUB_URL")
    if proxy:
        parts = urlsplit(proxy)
        return f"{parts.scheme}://{parts.netloc}{base}"
    api = environ.get("JUPYTERHUB_API_URL", "")
    return api.rstrip("/").removesuffix("/hub/api") or None
