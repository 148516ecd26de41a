"""The way to a session's own API, through the hub's proxy: sleep and logs. Knows no ladder and no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from streamspace_hub.model.api import SessionLog, UserSession

LIMIT = 10.0
"""Seconds for an order; stopping a desktop's processes takes milliseconds."""
HIBERNATE_LIMIT = 700.0
"""Seconds for memory to be put on disk; the session itself gives up a little earlier."""


LONGEST = 500
"""Characters of a reason; a user may have changed what the session says."""
LARGEST = 1 << 50
"""Bytes of memory that a session may claim to have."""
LARGEST_LOG = 4 * 1024 * 1024
"""Bytes of an answer with lines of a log; a session answers with a quarter of a megabyte of them, as JSON."""


@dataclass(frozen=True)
class Answer:
    """What a session has said."""

    done: bool
    idle: float
    """Seconds since it was last active."""
    sleep: str
    """`awake`, `frozen`, `hibernating` or `asleep`."""
    message: str = ""
    """Why the order was not carried out."""
    memory: bool | None = None
    """Whether its memory can be kept; None: it does not know yet."""
    why_not: str | None = None
    size: int | None = None
    """Of one that has been put to sleep with its memory: bytes on disk."""
    since: str | None = None
    """Since when it has not been awake; ISO 8601, UTC."""

    @property
    def frozen(self) -> bool:
        """Whether its processes are stopped, and would go on at once."""
        return self.sleep == "frozen"


class SessionAwayError(Exception):
    """The session did not answer, or not as a session does; the text is a sentence."""


class LogRefusedError(Exception):
    """The session does not show its log to who has asked; the text is its sentence."""


class SessionLink:
    """Gives orders with the service's own token, which sessions take for just that; reads logs with the reader's.

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
        """Order `warn`, `freeze`, `thaw`, `hibernate`, or (`activity`) to stay awake. Raises SessionAwayError."""
        return await self._send("POST", session, what, body, HIBERNATE_LIMIT if what == "hibernate" else LIMIT)

    async def log(self, session: UserSession, token: str, lines: int, after: str | None) -> SessionLog:
        """Return lines of a session's log, in the name of `token`'s owner.

        Raises:
            LogRefusedError: the session does not let them.
            SessionAwayError: it does not answer.
        """
        query: dict[str, str | int] = {"lines": lines, **({"after": after} if after is not None else {})}
        headers = {"Authorization": f"token {token}"}
        try:
            reply = await self._client.get(self._url(session, "logs"), params=query, headers=headers)
            if reply.status_code == 403:
                raise LogRefusedError(str(reply.json()["message"])[:LONGEST])
            if reply.status_code == 200 and len(reply.content) <= LARGEST_LOG:
                return SessionLog.model_validate_json(reply.content)
        except httpx.HTTPError as error:
            raise SessionAwayError(f"The session does not answer ({type(error).__name__}).") from error
        except (ValueError, KeyError, TypeError):
            pass
        raise SessionAwayError(f"The session does not show its log (HTTP {reply.status_code}).")

    def _url(self, session: UserSession, what: str) -> str:
        if not self.proxy_url:
            raise SessionAwayError("The service was not told where the hub's proxy is (STREAMSPACE_PROXY_URL).")
        return f"{self.proxy_url}{session.url}api/v1/{what}"

    async def _send(
        self, method: str, session: UserSession, what: str, body: Any = None, limit: float = LIMIT
    ) -> Answer:
        url = self._url(session, what)
        try:
            reply = await self._client.request(method, url, json=body, timeout=limit)
            return _answer(reply.status_code, reply.json() if reply.status_code in (200, 409) else {})
        except httpx.HTTPError as error:
            raise SessionAwayError(f"The session does not answer ({type(error).__name__}).") from error
        except (ValueError, KeyError, TypeError):
            raise SessionAwayError(f"The session does not take orders (HTTP {reply.status_code}).") from None


def _answer(status: int, said: dict[str, Any]) -> Answer:
    memory, why_not, size, since = (said.get(name) for name in ("memory", "why_not", "bytes", "asleep_since"))
    return Answer(
        done=status == 200,
        idle=float(said["idle"]),
        sleep=str(said["sleep"]),
        message=str(said.get("message", "")),
        memory=memory if isinstance(memory, bool) else None,
        why_not=str(why_not)[:LONGEST] if why_not is not None else None,
        size=size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < LARGEST else None,
        since=_moment(since),
    )


def _moment(said: Any) -> str | None:
    """Return a time as it is written everywhere here; None for what is none."""
    try:
        return datetime.fromisoformat(str(said)).astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None
