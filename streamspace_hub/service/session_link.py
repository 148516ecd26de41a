"""The way to a session's own API, through the hub's proxy: orders for its sleep. Knows no ladder and no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from streamspace_hub.model.api import UserSession

LIMIT = 10.0
"""Seconds for an order; stopping a desktop's processes takes milliseconds."""


@dataclass(frozen=True)
class Answer:
    """What a session has said."""

    done: bool
    idle: float
    """Seconds since it was last active."""
    frozen: bool
    message: str = ""
    """Why the order was not carried out."""


class SessionAwayError(Exception):
    """The session did not answer, or not as a session does; the text is a sentence."""


class SessionLink:
    """Gives orders with the service's own token, which sessions take for just that.

    Args:
        proxy_url: where the hub's proxy is reached; empty: nowhere.
        token: the service's token, which holds `custom:streamspace:sleep`.
    """

    def __init__(self, proxy_url: str, token: str) -> None:
        self.proxy_url = proxy_url.rstrip("/")
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(LIMIT),
            headers={"Authorization": f"token {token}"},
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=10),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def activity(self, session: UserSession) -> Answer:
        """Ask how active a session is. Raises SessionAwayError."""
        return await self._send("GET", session, "activity")

    async def order(self, session: UserSession, what: str, **body: Any) -> Answer:
        """Order `warn`, `freeze`, `thaw`, or (`activity`) to stay awake. Raises SessionAwayError."""
        return await self._send("POST", session, what, body)

    async def _send(self, method: str, session: UserSession, what: str, body: Any = None) -> Answer:
        if not self.proxy_url:
            raise SessionAwayError("The service was not told where the hub's proxy is (STREAMSPACE_PROXY_URL).")
        url = f"{self.proxy_url}{session.url}api/v1/{what}"
        try:
            reply = await self._client.request(method, url, json=body)
            said = reply.json() if reply.status_code in (200, 409) else {}
            return Answer(
                reply.status_code == 200, float(said["idle"]), said["sleep"] == "frozen", str(said.get("message", ""))
            )
        except httpx.HTTPError as error:
            raise SessionAwayError(f"The session does not answer ({type(error).__name__}).") from error
        except (ValueError, KeyError, TypeError):
            raise SessionAwayError(f"The session does not take orders (HTTP {reply.status_code}).") from None
