"""TURN: what an admin sets, and the short-lived credentials that viewers get from it. Pure but for reading the secret.

Credentials have the form that coturn calls `use-auth-secret` (draft-uberti-behave-turn-rest-00): the user name says
until when they hold, the password is an HMAC of it. Whoever has them can relay until then; the secret stays behind.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

# RFC 7065. Browsers refuse the whole list for one bad address, so nothing but what they take passes.
_TURN_URL: Final = re.compile(
    r"turns?:(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::([0-9]{1,5}))?(?:\?transport=(?:udp|tcp))?"
)


def _check_url(url: str) -> str:
    match = _TURN_URL.fullmatch(url)
    if match is None or (match[1] is not None and not 1 <= int(match[1]) <= 65_535):
        shown = url if len(url) <= 60 and url.isprintable() else "this"
        raise ValueError(
            f"`{shown}` is not the address of a TURN server; write `turn:HOST`, or `turns:HOST` for TLS, optionally "
            "followed by `:PORT` (1 to 65535) and by `?transport=udp` or `?transport=tcp`"
        )
    return url


TurnUrl = Annotated[str, Field(max_length=256), AfterValidator(_check_url)]


class IceServer(BaseModel):
    """One TURN server as browsers take it (`RTCIceServer` of WebRTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: tuple[TurnUrl, ...] = Field(min_length=1, max_length=8)
    username: str = Field(min_length=1, max_length=512)
    credential: str = Field(min_length=1, max_length=512, repr=False)


class IceGrant(BaseModel):
    """TURN servers and until when their credentials hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ice_servers: tuple[IceServer, ...] = Field(max_length=4)
    expires: int = Field(description="Seconds since 1970.")


class TurnSettings(BaseModel):
    """Where TURN is, and what its credentials are made from. Without addresses there is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    turn_urls: tuple[TurnUrl, ...] = Field(default=(), max_length=8)
    turn_secret_file: str = Field(default="", description="coturn's `static-auth-secret`, in a file of its own.")
    turn_ttl: int = Field(default=43_200, ge=60, le=86_400, description="Seconds that credentials hold.")

    @model_validator(mode="after")
    def _both_or_neither(self) -> TurnSettings:
        if self.turn_urls and not self.turn_secret_file:
            raise ValueError(
                "turn_secret_file is missing: with turn_urls set, name the file that holds the TURN server's secret "
                "(coturn: static-auth-secret)"
            )
        if self.turn_secret_file and not self.turn_urls:
            raise ValueError("turn_urls is empty: with turn_secret_file set, list the TURN server's addresses")
        return self

    @property
    def enabled(self) -> bool:
        """Whether there is TURN at all."""
        return bool(self.turn_urls)


class TurnSecretError(ValueError):
    """The file of the secret is of no use; the text is one sentence."""


def read_turn_secret(file: str) -> bytes:
    """Return the secret in `file`, without the white space around it; raises `TurnSecretError`.

    Read anew for every use, so that a new secret is taken up without a restart, and the old one kept nowhere.
    """
    if not Path(file).is_absolute():
        raise TurnSecretError(f"turn_secret_file: {file!r} must be an absolute path.")
    try:
        secret = Path(file).read_bytes().strip()
    except OSError as error:
        raise TurnSecretError(f"turn_secret_file: {file!r} cannot be read: {error.strerror}.") from None
    if not secret:
        raise TurnSecretError(f"turn_secret_file: {file!r} is empty; it holds the TURN server's static-auth-secret.")
    return secret


def mint_turn(settings: TurnSettings, secret: bytes, user: str, now: float) -> IceGrant:
    """Return credentials for `user` that hold from `now` (seconds since 1970) for `turn_ttl` seconds."""
    expires = int(now) + settings.turn_ttl
    username = f"{expires}:{user}"
    digest = hmac.digest(secret, username.encode(), hashlib.sha1)
    server = IceServer(urls=settings.turn_urls, username=username, credential=base64.b64encode(digest).decode())
    return IceGrant(ice_servers=(server,), expires=expires)
