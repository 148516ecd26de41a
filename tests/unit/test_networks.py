"""Where a request comes from, and from where it may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamspace_hub.model import PolicyDefaults
from streamspace_hub.model.explain import explain
from streamspace_hub.model.networks import origin, refusal_of

PROXIES = ("127.0.0.0/8", "10.1.0.0/16", "2001:db8:1::/48")


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "found"),
    [
        ("192.0.2.1", "", (), "192.0.2.1"),
        ("127.0.0.1", "192.0.2.1", (), "192.0.2.1"),
        # What the caller claims stands before what the proxy has seen.
        ("127.0.0.1", "203.0.113.9, 192.0.2.1", (), "192.0.2.1"),
        ("127.0.0.1", "203.0.113.9, 192.0.2.1", PROXIES, "192.0.2.1"),
        ("127.0.0.1", "203.0.113.9, 192.0.2.1, 10.1.2.3", PROXIES, "192.0.2.1"),
        ("::1", "192.0.2.1", PROXIES, "::1"),
        ("2001:db8:1::1", "2001:db8:2::1", PROXIES, "2001:db8:2::1"),
        ("::ffff:127.0.0.1", "192.0.2.1", PROXIES, "192.0.2.1"),
        # Nobody but a trusted proxy is believed.
        ("192.0.2.7", "10.0.0.1", PROXIES, "192.0.2.7"),
        ("127.0.0.1", "10.1.0.1, 10.1.0.2", PROXIES, "10.1.0.1"),
        ("127.0.0.1", "192.0.2.1, nonsense", PROXIES, "nonsense"),
        ("127.0.0.1", " , ,", PROXIES, "127.0.0.1"),
    ],
)
def test_where_a_request_comes_from(peer: str, forwarded: str, trusted: tuple[str, ...], found: str) -> None:
    assert origin(peer, forwarded, trusted) == found


@given(claims=st.lists(st.ip_addresses().map(str) | st.text(max_size=20), max_size=5))
def test_no_claim_changes_what_the_proxies_have_seen(claims: list[str]) -> None:
    for trusted in ((), PROXIES):
        assert origin("127.0.0.1", ", ".join([*claims, "192.0.2.1"]), trusted) == "192.0.2.1"


@pytest.mark.parametrize(
    ("address", "allowed", "denied", "may"),
    [
        ("192.0.2.1", (), (), True),
        ("nonsense", (), (), True),
        ("192.0.2.1", ("192.0.2.0/24",), (), True),
        ("::ffff:192.0.2.1", ("192.0.2.0/24",), (), True),
        ("192.0.3.1", ("192.0.2.0/24",), (), False),
        ("2001:db8::1", ("192.0.2.0/24",), (), False),
        ("2001:db8::1", ("192.0.2.0/24", "2001:db8::/32"), (), True),
        ("192.0.2.1", ("192.0.2.0/24",), ("192.0.2.1",), False),
        ("192.0.2.2", (), ("192.0.2.1",), True),
        ("192.0.2.1", (), ("192.0.2.1",), False),
        ("", ("0.0.0.0/0", "::/0"), (), False),
        ("unknown", (), ("192.0.2.1",), False),
        ("192.0.2.1, 192.0.2.2", ("192.0.2.0/24",), (), False),
    ],
)
def test_from_where_one_may_come(address: str, allowed: tuple[str, ...], denied: tuple[str, ...], may: bool) -> None:
    assert (refusal_of(address, allowed, denied) is None) is may


@pytest.mark.parametrize("network", ["", "here", "192.0.2.1/24", "192.0.2.0/33", "::/129", "*", "192.0.2.0-9"])
def test_what_is_no_network_is_named_with_what_is_accepted(network: str) -> None:
    with pytest.raises(ValidationError) as error:
        PolicyDefaults.model_validate({"deny_networks": ["10.0.0.0/8", network]})
    (complaint,) = explain(error.value, PolicyDefaults)
    assert complaint.field == "deny_networks[1]"
    assert "`192.0.2.0/24`" in complaint.message
