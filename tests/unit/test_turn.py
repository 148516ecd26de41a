"""TURN settings and credentials."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from streamspace_hub.model.explain import explain
from streamspace_hub.model.turn import IceServer, TurnSecretError, TurnSettings, mint_turn, read_turn_secret

GOOD = [
    "turn:turn.example.org",
    "turn:turn.example.org:3478",
    "turn:192.0.2.7?transport=udp",
    "turns:turn.example.org:443?transport=tcp",
    "turn:[2001:db8::7]:3478",
]
BAD = [
    "",
    "turn.example.org",
    "stun:turn.example.org",
    "turn://turn.example.org",
    "turn:turn.example.org:0",
    "turn:turn.example.org:65536",
    "turn:turn.example.org?transport=tls",
    "turn:user@turn.example.org",
    "turn:a b",
    "turn:x\n",
]


@pytest.mark.parametrize("url", GOOD)
def test_addresses_of_turn_servers_are_taken(url: str) -> None:
    assert TurnSettings(turn_urls=(url,), turn_secret_file="/x").enabled


@pytest.mark.parametrize("url", BAD)
def test_what_browsers_would_refuse_is_refused_with_what_is_accepted(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TurnSettings.model_validate({"turn_urls": ["turn:good", url], "turn_secret_file": "/x"})
    complaint = explain(caught.value, TurnSettings)[0]
    assert complaint.field == "turn_urls[1]"
    assert "turns:HOST" in complaint.message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"turn_urls": ["turn:a"]}, "turn_secret_file is missing"),
        ({"turn_secret_file": "/x"}, "turn_urls is empty"),
        ({"turn_ttl": 59}, "at least 60"),
        ({"turn_ttl": 86401}, "at most 86400"),
        ({"turn_ttls": 90}, "turn_ttl"),
    ],
)
def test_settings_that_do_not_fit_are_explained(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TurnSettings.model_validate(given)
    assert words in explain(caught.value, TurnSettings)[0].message


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_credentials_have_coturns_rest_form() -> None:
    settings = TurnSettings(turn_urls=("turn:turn.example.org",), turn_secret_file="/x", turn_ttl=3600)
    grant = mint_turn(settings, b"north", "ann", now=1_700_000_000.9)
    (server,) = grant.ice_servers
    assert (grant.expires, server.username) == (1_700_003_600, "1700003600:ann")
    openssl = ["openssl", "dgst", "-sha1", "-hmac", "north", "-binary"]
    expected = subprocess.run(openssl, input=b"1700003600:ann", capture_output=True, check=True).stdout
    assert base64.b64decode(server.credential) == expected


def test_a_credential_is_not_printed() -> None:
    server = IceServer(urls=("turn:a",), username="1:ann", credential="hush")
    assert "hush" not in repr(server)


def test_the_secret_is_read_without_white_space(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" north\n")
    assert read_turn_secret(str(file)) == b"north"


def test_a_useless_secret_file_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    missing, empty = str(tmp_path / "none"), str(tmp_path / "empty")
    for file, words in (("secret", "absolute"), (missing, "No such file"), (empty, "is empty")):
        with pytest.raises(TurnSecretError, match=words):
            read_turn_secret(file)
