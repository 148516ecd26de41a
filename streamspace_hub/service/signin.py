"""Signing browsers in by the hub's OAuth (RFC 6749, with PKCE of RFC 7636): addresses and cookies. Pure.

The cookie holds the token that the hub has issued for this service, as JupyterHub's own services do it, so that every
replica knows whoever signed in at another one. A page of another server of the hub has the same origin as ours, and its
requests carry our cookie: what they cannot have is the proof that stands in our page.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self
from urllib.parse import urlencode

COOKIE = "streamspace-token"
FLOW_COOKIE = "streamspace-signin-"
FLOW_SECONDS = 600
"""How long somebody may take to sign in at the hub."""
PROOF_HEADER = "X-XSRF-Token"
LONGEST_ADDRESS = 2000


@dataclass(frozen=True)
class SignIn:
    """One sign-in that has begun; kept by the browser until it comes back from the hub."""

    state: str
    verifier: str
    to: str
    """Where to go afterwards: a path of ours."""

    @classmethod
    def begin(cls, to: str) -> Self:
        """Return a new one."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(48), to[:LONGEST_ADDRESS])

    @property
    def cookie(self) -> tuple[str, str]:
        """Name and value of its cookie; several tabs may be signing in at once."""
        value = base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode().rstrip("=")
        return flow_cookie(self.state), value

    @classmethod
    def of(cls, state: str, cookies: Mapping[str, str]) -> Self | None:
        """Return the one that this browser has begun with `state`, None if it has not."""
        value = cookies.get(flow_cookie(state), "")
        try:
            fields = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
            found = cls(**{name: str(fields[name]) for name in ("state", "verifier", "to")})
        except (ValueError, TypeError, KeyError):
            return None
        return found if hmac.compare_digest(found.state.encode(), state.encode()) else None

    def address(self, authorize: str, client_id: str, callback: str) -> str:
        """Return where the hub asks who it is."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        query = {
            "client_id": client_id,
            "redirect_uri": callback,
            "response_type": "code",
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{authorize}?{urlencode(query)}"

    def form(self, code: str, client_id: str, client_secret: str, callback: str) -> dict[str, str]:
        """Return what the hub takes for the token (RFC 6749 section 4.1.3)."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "client_id": client_id,
            "client_secret": client_secret,
            "code_verifier": self.verifier,
        }


def flow_cookie(state: str) -> str:
    """Return the name of a sign-in's cookie."""
    return FLOW_COOKIE + hashlib.sha256(state.encode()).hexdigest()[:8]


def proof_of(secret: str, token: str) -> str:
    """Return what a request by cookie has to say as well: it stands in our page alone, which no script can fetch."""
    return hmac.new(secret.encode(), b"streamspace-xsrf:" + token.encode(), hashlib.sha256).hexdigest()


def is_proof(secret: str, token: str, given: str) -> bool:
    """Return whether `given` is the proof for `token`."""
    return hmac.compare_digest(proof_of(secret, token).encode(), given.encode("utf-8", "replace"))


def is_opened(headers: Mapping[str, str]) -> bool:
    """Return whether a person opens the page, in a tab: not a script, not a frame (W3C Fetch Metadata).

    Browsers say so on https and on localhost. Where they say nothing, it can't be told.
    """
    return (
        headers.get("sec-fetch-dest", "document") == "document"
        and headers.get("sec-fetch-mode", "navigate") == "navigate"
    )


def is_ours(to: str, prefix: str) -> bool:
    """Return whether somebody may be sent to `to` after signing in."""
    return to.startswith(prefix) and "\\" not in to and all(" " < letter < "\x7f" for letter in to)
