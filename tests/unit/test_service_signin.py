"""Signing in: what the browser keeps, where it may be sent, and what proves that a request comes from our page."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest

from streamspace_hub.service.signin import SignIn, is_opened, is_ours, is_proof, proof_of

PREFIX = "/services/streamspace/"


def test_what_was_begun_is_found_again_by_its_state_alone() -> None:
    one, other = SignIn.begin(PREFIX), SignIn.begin(f"{PREFIX}?x=1")
    cookies = dict([one.cookie, other.cookie])
    assert SignIn.of(one.state, cookies) == one
    assert SignIn.of(other.state, cookies) == other
    assert SignIn.of("another", cookies) is None


@pytest.mark.parametrize("value", ["", "!", "bm90IGpzb24", "e30", "W10", "eyJzdGF0ZSI6IDF9"])
def test_a_cookie_that_is_not_ours_is_no_sign_in(value: str) -> None:
    one = SignIn.begin(PREFIX)
    assert SignIn.of(one.state, {one.cookie[0]: value}) is None


def test_a_cookie_under_another_states_name_is_no_sign_in() -> None:
    one, other = SignIn.begin(PREFIX), SignIn.begin(PREFIX)
    assert SignIn.of(one.state, {one.cookie[0]: other.cookie[1]}) is None


def test_the_hub_learns_the_challenge_and_not_the_verifier() -> None:
    one = SignIn.begin(PREFIX)
    address = one.address("/hub/api/oauth2/authorize", "service-streamspace", f"{PREFIX}oauth_callback")
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    digest = hashlib.sha256(one.verifier.encode()).digest()
    assert query["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert one.verifier not in address
    assert query["state"] == one.state
    assert one.form("c", "id", "secret", "/back")["code_verifier"] == one.verifier


@pytest.mark.parametrize(
    ("to", "ours"),
    [
        (PREFIX, True),
        (f"{PREFIX}?view=1", True),
        ("https://elsewhere.example/", False),
        ("//elsewhere.example/services/streamspace/", False),
        (f"{PREFIX}\\..", False),
        (f"{PREFIX}\r\nSet-Cookie: a=b", False),
        ("/services/streamspace-of-eve/", False),
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(to: str, ours: bool) -> None:
    assert is_ours(to, PREFIX) is ours


def test_the_proof_is_of_one_token_and_one_service() -> None:
    proof = proof_of("secret", "token")
    assert is_proof("secret", "token", proof)
    assert not is_proof("secret", "other token", proof)
    assert not is_proof("other secret", "token", proof)
    assert not is_proof("secret", "token", "")
    assert not is_proof("secret", "token", "\udce4")


@pytest.mark.parametrize(
    ("headers", "opened"),
    [
        ({}, True),
        ({"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, True),
        ({"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, False),
        ({"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}, False),
        ({"sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}, False),
    ],
)
def test_only_a_person_in_a_tab_gets_the_page(headers: dict[str, str], opened: bool) -> None:
    assert is_opened(headers) is opened
