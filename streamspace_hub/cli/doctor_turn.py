"""Whether a TURN server does what it is there for: it is asked for a relay, as browsers ask (RFC 8656, section 7)."""

from __future__ import annotations

import asyncio
import importlib.util
import ssl
from collections.abc import Iterator
from urllib.parse import parse_qs

from streamspace_hub.cli.check import Check
from streamspace_hub.model.turn import IceGrant

LIMIT = 8.0
"""Seconds for one server: lost datagrams are sent again."""
LIFETIME = 60
"""Seconds for which a relay is asked for, should its end get lost."""


def check_relays(grant: IceGrant) -> Iterator[Check]:
    """Ask each address of a grant for a relay."""
    for server in grant.ice_servers:
        for url in server.urls:
            yield check_relay(url, server.username, server.credential)


def check_relay(url: str, username: str, credential: str) -> Check:
    """Ask one TURN server, by its address (RFC 7065), for a relay, and give it back."""
    name = f"TURN {url}"
    if not importlib.util.find_spec("aioice"):
        return Check(name, "grey", "not tried: the Python package aioice is not here")
    secure, host, port, transport = parts_of(url)
    if secure and transport == "udp":
        return Check(name, "grey", "not tried: it is asked by DTLS, which browsers alone speak here")
    from aioice import stun

    try:
        relay = asyncio.run(_allocate((host, port), username, credential, secure, transport))
    except stun.TransactionFailed as refused:
        code, reason = refused.response.attributes.get("ERROR-CODE", (0, "no reason"))
        return Check(name, "red", f"it gives no relay: {code} {reason}", _ADVICE.get(code, "Its log says more."))
    except ssl.SSLCertVerificationError as error:
        return Check(name, "red", f"its certificate is not accepted: {error.verify_message}", _CERTIFICATE)
    except (OSError, TimeoutError, stun.TransactionError) as error:
        why = str(error) or "no answer"
        return Check(name, "red", f"it cannot be reached from here: {why}", _UNREACHABLE)
    return Check(name, "green", f"it gives relays at {relay}")


_ADVICE = {
    401: "The secret in turn_secret_file must be the server's own (coturn: use-auth-secret, static-auth-secret), and "
    "both clocks must be right.",
    486: "It has no relay left for this user: raise coturn's user-quota.",
    508: "It has no relay left: raise coturn's total-quota, or its range of ports.",
}
_CERTIFICATE = "Browsers refuse it too: give the server a certificate for this host name, with its chain."
_UNREACHABLE = (
    "See that the server runs, that its name is the one in turn_urls, and that firewalls let this port through; "
    "viewers come from outside, so try from there as well."
)


def parts_of(url: str) -> tuple[bool, str, int, str]:
    """Return of an address that `model.turn` accepts: whether it is TLS, host, port, and `udp` or `tcp`."""
    scheme, _, rest = url.partition(":")
    place, _, query = rest.partition("?")
    secure = scheme == "turns"
    host, _, port = place.rpartition(":") if not place.endswith("]") and ":" in place else (place, "", "")
    transport = parse_qs(query).get("transport", ["tcp" if secure else "udp"])[0]
    return secure, host.strip("[]"), int(port or (5349 if secure else 3478)), transport


async def _allocate(server: tuple[str, int], username: str, credential: str, secure: bool, transport: str) -> str:
    from aioice import turn

    ended = asyncio.Event()

    class Ended(asyncio.DatagramProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            ended.set()

    async with asyncio.timeout(LIMIT):
        relay, _ = await turn.create_turn_endpoint(
            Ended, server, username, credential, lifetime=LIFETIME, ssl=secure or None, transport=transport
        )
        host, port = relay.get_extra_info("sockname")
        relay.close()
        await ended.wait()
    return f"{host}:{port}"
