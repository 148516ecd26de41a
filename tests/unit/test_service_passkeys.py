"""Security keys: what one has signed is taken once, for its own site and question, and nothing else is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)
from hypothesis import given
from hypothesis import strategies as st

from streamspace_hub.service import passkeys
from streamspace_hub.service.passkeys import KeyRefused, Question, SecurityKey, site_of

SITE = "hub.example.org"
ORIGIN = f"https://{SITE}"
PRESENT = AuthenticatorData.FLAG.USER_PRESENT


class Authenticator:
    """A key in software (WebAuthn sections 6.3.2 and 6.3.3)."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.id = hashlib.sha256(b"credential").digest()
        self.counter = 0

    def create(self, question: Question, origin: str = ORIGIN, site: str = SITE) -> dict[str, Any]:
        public = ES256.from_cryptography_key(self._private.public_key())
        data = AttestedCredentialData.create(Aaguid(bytes(16)), self.id, public)
        flags = PRESENT | AuthenticatorData.FLAG.ATTESTED
        auth = AuthenticatorData.create(_hash(site), flags, self.counter, data)
        client = self._client(CollectedClientData.TYPE.CREATE, question, origin)
        attestation = AttestationObject.create("none", auth, {})
        return self._answer({"clientDataJSON": client, "attestationObject": attestation})

    def sign(
        self, question: Question, origin: str = ORIGIN, site: str = SITE, flags: AuthenticatorData.FLAG = PRESENT
    ) -> dict[str, Any]:
        self.counter += 1
        auth = AuthenticatorData.create(_hash(site), flags, self.counter)
        client = self._client(CollectedClientData.TYPE.GET, question, origin)
        signature = self._private.sign(auth + client.hash, ec.ECDSA(hashes.SHA256()))
        return self._answer({"clientDataJSON": client, "authenticatorData": auth, "signature": signature})

    @staticmethod
    def _client(kind: CollectedClientData.TYPE, question: Question, origin: str) -> CollectedClientData:
        return CollectedClientData.create(kind, question.options["challenge"], origin)

    def _answer(self, response: dict[str, bytes]) -> dict[str, Any]:
        number = websafe_encode(self.id)
        fields = {name: websafe_encode(bytes(value)) for name, value in response.items()}
        return {"id": number, "rawId": number, "type": "public-key", "response": fields, "clientExtensionResults": {}}


def _hash(site: str) -> bytes:
    return hashlib.sha256(site.encode()).digest()


@pytest.fixture(scope="module")
def authenticator() -> Authenticator:
    return Authenticator()


@pytest.fixture(scope="module")
def key(authenticator: Authenticator) -> SecurityKey:
    question = passkeys.ask_new(SITE, "ann", [])
    found, counter = passkeys.take_new(SITE, question.state, authenticator.create(question))
    assert counter == 0
    return found


def test_a_key_that_was_set_up_signs(authenticator: Authenticator, key: SecurityKey) -> None:
    assert SecurityKey.of(key.text()) == key
    question = passkeys.ask(SITE, [key])
    assert [one["id"] for one in question.options["allowCredentials"]] == [websafe_encode(authenticator.id)]
    json.dumps(question.options)
    found, counter = passkeys.take(SITE, question.state, [key], authenticator.sign(question))
    assert (found, counter) == (key, authenticator.counter)


def test_a_key_is_not_set_up_twice_and_users_are_not_named_to_it(key: SecurityKey) -> None:
    options = passkeys.ask_new(SITE, "ann", [key]).options
    assert len(options["excludeCredentials"]) == 1
    assert options["user"]["id"] != "ann"


def test_what_is_not_for_this_site_and_question_is_refused(authenticator: Authenticator, key: SecurityKey) -> None:
    question, other = passkeys.ask(SITE, [key]), passkeys.ask(SITE, [key])
    strange = ec.generate_private_key(ec.SECP256R1())
    copy = Authenticator()
    copy._private, copy.id = strange, authenticator.id
    answers = [
        authenticator.sign(other),
        authenticator.sign(question, origin="https://hub.example.org.evil.example"),
        authenticator.sign(question, origin="https://evil.hub.example.org"),
        authenticator.sign(question, origin="http://hub.example.org"),
        authenticator.sign(question, site="evil.example"),
        authenticator.sign(question, flags=AuthenticatorData.FLAG(0)),
        copy.sign(question),
        authenticator.create(question),
    ]
    for answer in answers:
        with pytest.raises(KeyRefused):
            passkeys.take(SITE, question.state, [key], answer)
    for keys in ([], [replace(key, site="other.example")]):
        with pytest.raises(KeyRefused):
            passkeys.take(SITE, question.state, keys, authenticator.sign(question))
    new = passkeys.ask_new(SITE, "ann", [])
    for answer in (authenticator.create(question), authenticator.create(new, site="evil.example")):
        with pytest.raises(KeyRefused):
            passkeys.take_new(SITE, new.state, answer)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
ANSWERS = st.dictionaries(
    st.sampled_from(["id", "rawId", "type", "response", "clientExtensionResults"]),
    JSON
    | st.dictionaries(
        st.sampled_from(["clientDataJSON", "attestationObject", "authenticatorData", "signature"]),
        JSON | st.binary(max_size=100).map(websafe_encode),
    ),
)


@given(ANSWERS)
def test_nonsense_is_refused_and_breaks_nothing(answer: dict[str, Any]) -> None:
    question = Question({}, {"challenge": "AAAA", "user_verification": None})
    with pytest.raises(KeyRefused):
        passkeys.take(SITE, question.state, [], answer)
    with pytest.raises(KeyRefused):
        passkeys.take_new(SITE, question.state, answer)


@pytest.mark.parametrize(
    ("counter", "before", "good"),
    [(1, 0, True), (0, 0, True), (0, -1, True), (5, 5, False), (4, 5, False), (0, 3, False)],
)
def test_a_counter_that_stands_still_shows_a_copy(counter: int, before: int, good: bool) -> None:
    assert passkeys.goes_on(counter, before) is good


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("hub.example.org", "hub.example.org"),
        ("localhost:8000", "localhost"),
        ("127.0.0.1:8000", None),
        ("[::1]:8000", None),
        ("", None),
    ],
)
def test_keys_are_for_names(host: str, site: str | None) -> None:
    assert site_of(host) == site
