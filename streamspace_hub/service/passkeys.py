"""Security keys and passkeys as second factors: WebAuthn (W3C, level 2), by `fido2`. Keeps nothing.

A key is of one site, the host under which browsers have the service: what it signs elsewhere is of no use here. That
the user has touched it is enough; a PIN is not asked for, since the password was.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    UserVerificationRequirement,
)

NAME = "StreamSpace"
T = TypeVar("T")

log = logging.getLogger("streamspace.service")


class KeyRefused(Exception):  # noqa: N818 - a decision, not a fault
    """What a browser has sent is not what was asked for, or not signed by a key that is known."""


@dataclass(frozen=True)
class SecurityKey:
    """A key that a user has set up."""

    site: str
    data: bytes
    """Its id and public key (WebAuthn section 6.5.1, attested credential data)."""

    def text(self) -> bytes:
        """Return it to be kept."""
        return json.dumps({"site": self.site, "data": base64.b64encode(self.data).decode()}).encode()

    @classmethod
    def of(cls, text: bytes) -> Self:
        """Return one that was kept."""
        fields = json.loads(text)
        return cls(fields["site"], base64.b64decode(fields["data"]))


@dataclass(frozen=True)
class Question:
    """What a browser is asked, and what its answer is checked with."""

    options: dict[str, Any]
    """For `PublicKeyCredential.parse...OptionsFromJSON` (WebAuthn section 5.1.8 and 5.1.9)."""
    state: dict[str, Any]


def site_of(host: str) -> str | None:
    """Return the site that a `Host` header names; None for an address, for which there are no keys."""
    name = urlsplit(f"//{host}").hostname
    try:
        ipaddress.ip_address(name or "")
    except ValueError:
        return name
    return None


def ask_new(site: str, user: str, keys: Sequence[SecurityKey]) -> Question:
    """Ask for a key that is none of `keys`."""
    # Not the name: authenticators may tell it to whoever holds them.
    number = hashlib.sha256(f"{NAME}/{user}".encode()).digest()
    options, state = _server(site).register_begin(
        PublicKeyCredentialUserEntity(id=number, name=user, display_name=user),
        _known(site, keys),
        user_verification=UserVerificationRequirement.DISCOURAGED,
    )
    return Question(_plain(options), _plain(state))


def take_new(site: str, state: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[SecurityKey, int]:
    """Return the new key and its signature counter. Raises KeyRefused."""

    def check() -> tuple[SecurityKey, int]:
        data = _server(site).register_complete(dict(state), answer)
        return SecurityKey(site, bytes(data.credential_data or b"")), data.counter

    return _checked(check)


def ask(site: str, keys: Sequence[SecurityKey]) -> Question:
    """Ask for a signature of one of `keys`."""
    options, state = _server(site).authenticate_begin(
        _known(site, keys), user_verification=UserVerificationRequirement.DISCOURAGED
    )
    return Question(_plain(options), _plain(state))


def take(
    site: str, state: Mapping[str, Any], keys: Sequence[SecurityKey], answer: Mapping[str, Any]
) -> tuple[SecurityKey, int]:
    """Return which of `keys` has signed, and its signature counter now. Raises KeyRefused."""

    def check() -> tuple[SecurityKey, int]:
        signed = _server(site).authenticate_complete(dict(state), _known(site, keys), answer)
        counter = AuthenticationResponse.from_dict(answer).response.authenticator_data.counter
        return SecurityKey(site, bytes(signed)), counter

    return _checked(check)


def goes_on(counter: int, before: int) -> bool:
    """Return whether a signature counter shows no copy of the key (WebAuthn section 7.2, step 21)."""
    return counter > before or (counter == 0 and before <= 0)


def _checked(check: Callable[[], T]) -> T:
    try:
        return check()
    except Exception as error:  # its parsers raise whatever they stumble over in what a browser sends
        log.info("a security key was refused: %s: %s", type(error).__name__, error)
        raise KeyRefused("That is not the answer of a security key that is known here.") from error


def _server(site: str) -> Fido2Server:
    def is_ours(origin: str) -> bool:
        parts = urlsplit(origin)
        return parts.hostname == site and (parts.scheme == "https" or site == "localhost")

    return Fido2Server(PublicKeyCredentialRpEntity(id=site, name=NAME), verify_origin=is_ours)


def _known(site: str, keys: Sequence[SecurityKey]) -> list[AttestedCredentialData]:
    return [AttestedCredentialData(key.data) for key in keys if key.site == site]


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `fido2` has made as plain JSON data."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(value)))
    inner: dict[str, Any] = plain.get("publicKey", plain)
    return inner
