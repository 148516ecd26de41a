"""JupyterHub's REST API as far as we need it, with this server's own token.

Must not know what a session is; `hub_launcher` and `server` give the requests their meaning.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import AsyncIterator
from typing import Any, Protocol

import aiohttp

from streamspace_hub.model.waiting import Place, place_in
from streamspace_hub.telemetry import tracing


class HubError(Exception):
    """The hub refused or did not answer."""

    def __init__(self, status: int, message: str, retry_after: int | None = None, place: Place | None = None) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status of the hub's answer; 502 if there was none."""
        self.message = message
        self.retry_after = retry_after
        """Seconds after which the hub wants to be asked again; None where it said nothing."""
        self.place = place
        """Of a start that waits for room: where it stands."""


class Asks(Protocol):
    """The hub's API, as much of it as those need who ask about visitors."""

    async def request(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Any:
        """Return the answer; raises HubError."""


class HubApi:
    """The hub that started this server. Connections are made on demand; `close` ends them."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_environment(cls) -> HubApi:
        """Return the hub named by `JUPYTERHUB_API_URL` and `JUPYTERHUB_API_TOKEN`."""
        return cls(os.environ["JUPYTERHUB_API_URL"], os.environ["JUPYTERHUB_API_TOKEN"])

    async def request(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Any:
        """Return the JSON of the answer to a request to `path` of the API, None for an empty one.

        `path` may also be the URL of one of the hub's servers, which takes the same token; `token` stands for it where
        somebody else is asked about. An error status raises `HubError`.
        """
        url = path if "://" in path else self.url + path
        try:
            headers = tracing.headers() if method == "POST" else {}
            if token is not None:
                headers = {**headers, "Authorization": f"token {token}"}
            async with self._client().request(method, url, json=body, headers=headers) as response:
                if response.status >= 400:
                    raise await _refusal(response)
                text = await response.text()
                return json.loads(text) if text else None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise HubError(502, f"No answer from {url} ({type(error).__name__}).") from error

    async def stream(self, path: str) -> AsyncIterator[str]:
        """Yield the lines of an event stream as they come."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
        try:
            async with self._client().get(
                self.url + path, headers={"Accept": "text/event-stream"}, timeout=timeout
            ) as response:
                if response.status >= 400:
                    raise await _refusal(response)
                async for line in response.content:
                    yield line.decode(errors="replace").rstrip("\r\n")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise HubError(502, f"JupyterHub does not answer at {self.url} ({type(error).__name__}).") from error

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = internal_ssl()
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"token {self._token}"},
                connector=aiohttp.TCPConnector(ssl=context) if context else None,
                timeout=aiohttp.ClientTimeout(total=60),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def internal_ssl() -> ssl.SSLContext | None:
    """Return the hub's internal TLS (`JupyterHub.internal_ssl`), both for serving and asking; None if it is off."""
    certificate, key = os.environ.get("JUPYTERHUB_SSL_CERTFILE"), os.environ.get("JUPYTERHUB_SSL_KEYFILE")
    if not (certificate and key):
        return None
    from jupyterhub.utils import make_ssl_context

    context: ssl.SSLContext = make_ssl_context(  # type: ignore[no-untyped-call]
        key, certificate, cafile=os.environ.get("JUPYTERHUB_SSL_CLIENT_CA") or None
    )
    return context


async def _refusal(response: aiohttp.ClientResponse) -> HubError:
    after = response.headers.get("Retry-After", "")
    wait = int(after) if after.isdecimal() else None
    return HubError(response.status, await _reason(response), wait, place_in(response.headers))


async def _reason(response: aiohttp.ClientResponse) -> str:
    try:
        answer = await response.json()
        message = answer.get("message") or answer.get("detail")  # the hub's and sessions', or our service's (RFC 9457)
    except (aiohttp.ClientError, ValueError, AttributeError):
        message = None
    return str(message or f"JupyterHub answered {response.status}.")
