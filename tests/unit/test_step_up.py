"""How old a second factor may be, whose it is, and what is kept of it: codes, sealing, waiting, the hub's memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamspace_hub.model import Policy, PolicyDefaults
from streamspace_hub.model.explain import explain
from streamspace_hub.model.step_up import LONGEST, Proven, credential_of, is_fresh
from streamspace_hub.service import totp
from streamspace_hub.service.sealing import SealError, seal, unseal
from streamspace_hub.service.second_factors import FIRST_WAIT, FREE_TRIES, LONGEST_WAIT, wait_after
from streamspace_hub.step_up import key_of, remember

SECRET = b"12345678901234567890"
KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("at", "age", "now", "fresh"),
    [
        (None, 60, 1000.0, False),
        (1000.0, 60, 1000.0, True),
        (1000.0, 60, 1060.0, True),
        (1000.0, 60, 1061.0, False),
        # Another machine's clock, a little ahead; and one that says nothing sensible.
        (1010.0, 60, 1000.0, True),
        (9999.0, 60, 1000.0, False),
    ],
)
def test_how_old_it_may_be(at: float | None, age: int, now: float, fresh: bool) -> None:
    assert is_fresh(at, age, now) is fresh


@pytest.mark.parametrize(
    ("token", "credential"),
    [
        ({"session_id": "s", "token_id": "a1"}, "sign-in:s"),
        ({"session_id": None, "token_id": "a1"}, "token:a1"),
        ({"session_id": "", "token_id": None}, None),
        ({}, None),
    ],
)
def test_it_belongs_to_a_sign_in_or_to_a_token(token: dict[str, str | None], credential: str | None) -> None:
    assert credential_of(token) == credential


@pytest.mark.parametrize("value", [0, 30, LONGEST])
def test_what_a_policy_may_ask_for(value: int) -> None:
    assert Policy.model_validate({"step_up": value}).step_up == value


@pytest.mark.parametrize("value", [-1, 1, 29, LONGEST + 1, True, "always"])
def test_what_it_may_not_names_the_field_and_what_is_accepted(value: object) -> None:
    with pytest.raises(ValidationError) as error:
        PolicyDefaults.model_validate({"step_up": value})
    (complaint,) = explain(error.value, PolicyDefaults)
    assert complaint.field == "step_up"
    assert "30 to 604800 seconds" in complaint.message or "must be a whole number" in complaint.message


@pytest.mark.parametrize(
    ("time", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238_appendix_b(time: int, code: str) -> None:
    assert totp.code_at(SECRET, time // totp.STEP, digits=8) == code
    assert totp.step_of(SECRET, code[2:], time, after=-1) == time // totp.STEP


@pytest.mark.parametrize(("off", "taken"), [(-61, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_be_one_step_off(off: int, taken: bool) -> None:
    now = 3000 * totp.STEP + 29.0
    code = totp.code_at(SECRET, int((now + off) // totp.STEP))
    assert (totp.step_of(SECRET, code, now, after=-1) is not None) is taken


def test_a_code_is_taken_once() -> None:
    code = totp.code_at(SECRET, 3000)
    assert totp.step_of(SECRET, code, 3000 * totp.STEP, after=2999) == 3000
    assert totp.step_of(SECRET, code, 3000 * totp.STEP, after=3000) is None
    assert totp.step_of(SECRET, totp.code_at(SECRET, 2999), 3000 * totp.STEP, after=3000) is None, "nor an older one"


def test_the_address_for_apps_holds_names_with_odd_characters() -> None:
    assert totp.uri_of(SECRET, "ann:b/c d", "StreamSpace") == (
        "otpauth://totp/StreamSpace:ann%3Ab%2Fc%20d?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=StreamSpace"
    )


@given(st.binary(max_size=300), st.text(max_size=30), st.text(max_size=30))
def test_what_was_sealed_is_read_again_in_its_place_alone(content: bytes, user: str, factor: str) -> None:
    sealed = seal(KEY, content, user, factor)
    assert unseal(KEY, sealed, user, factor) == content
    for key, other_user, other_factor in (
        (bytes(32), user, factor),
        (KEY, f"{user}x", factor),
        (KEY, user, f"{factor}x"),
    ):
        with pytest.raises(SealError):
            unseal(key, sealed, other_user, other_factor)


@pytest.mark.parametrize("sealed", ["", "AAAA", "not base64!"])
def test_what_was_changed_is_not_read(sealed: str) -> None:
    with pytest.raises(SealError):
        unseal(KEY, sealed, "ann", "1")


def test_wrong_ones_cost_more_time_each() -> None:
    waits = [wait_after(failures) for failures in range(200)]
    assert waits[:FREE_TRIES] == [0.0] * FREE_TRIES
    assert waits[FREE_TRIES] == FIRST_WAIT
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT


def test_the_hub_forgets_what_is_of_no_use_to_anybody() -> None:
    proofs: dict[str, dict[str, float]] = {}
    remember(proofs, Proven(user="ann", credential="token:1", at=100.0), 100.0)
    remember(proofs, Proven(user="ann", credential="token:2", at=200.0), 200.0)
    assert proofs == {"ann": {"token:1": 100.0, "token:2": 200.0}}
    remember(proofs, Proven(user="bob", credential="token:3", at=LONGEST + 201.0), LONGEST + 201.0)
    assert proofs == {"bob": {"token:3": LONGEST + 201.0}}


def test_the_key_is_the_hubs_own() -> None:
    assert key_of(b"a") != key_of(b"b")
    assert len(key_of(b"a")) == 32
