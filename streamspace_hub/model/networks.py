"""From where somebody may come: networks that are allowed and denied, and where a request comes from. Pure.

A request passes proxies, and only what the nearest ones say can be believed: each adds the address that it has seen to
the end of `X-Forwarded-For`; what stands before that is the word of whoever sent it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MOST = 200


def _check_network(text: str) -> str:
    try:
        network_of(text)
    except ValueError:
        shown = text if len(text) <= 60 and text.isprintable() else "this"
        raise ValueError(
            f"`{shown}` is not a network; write one such as `192.0.2.0/24` or `2001:db8::/32`, without bits beyond the "
            "prefix, or a single address"
        ) from None
    return text


Network = Annotated[str, AfterValidator(_check_network), WithJsonSchema({"type": "string", "format": "ip-network"})]
Networks = Annotated[tuple[Network, ...], Field(max_length=MOST)]


class TrustedProxies(BaseModel):
    """The proxies in front, as `c.StreamSpace.trusted_proxies` names them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trusted_proxies: Networks = ()


@lru_cache(maxsize=1000)
def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return a network; raises ValueError."""
    return ipaddress.ip_network(text)


def address_of(text: str) -> Address | None:
    """Return an address, an IPv4 one where it was written as IPv6 (RFC 4291 section 2.5.5.2); None if it is none."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def origin(peer: str, forwarded: str, trusted: Sequence[str] = ()) -> str:
    """Return the address that a request comes from, as text.

    Args:
        peer: the other end of the connection.
        forwarded: the request's `X-Forwarded-For`, empty if there is none.
        trusted: networks of the proxies in front. Where none are named, the peer is taken for the hub's own proxy, and
            nothing else is believed.
    """
    said = [one.strip() for one in forwarded.split(",") if one.strip()]
    if not trusted:
        return said[-1] if said else peer
    way = [*said, peer]
    while len(way) > 1 and is_in(way[-1], trusted):
        way.pop()
    return way[-1]


def is_in(address: str, networks: Sequence[str]) -> bool:
    """Return whether an address lies in one of `networks`; what is no address lies in none."""
    found = address_of(address)
    return found is not None and any(found in network_of(one) for one in networks)


def refusal_of(address: str, allowed: Sequence[str], denied: Sequence[str]) -> str | None:
    """Return why nobody may come from `address`, None if they may.

    What is denied is denied, also inside of what is allowed; where something is allowed, nothing else is.
    """
    if not (allowed or denied):
        return None
    known = address_of(address) is not None
    if known and not is_in(address, denied) and (not allowed or is_in(address, allowed)):
        return None
    return f"This may not be opened from your network ({address[:64] or 'which is not known'})."
