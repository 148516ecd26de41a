"""Which system accounts may run users' servers."""

from __future__ import annotations

import os
import pwd
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamspace_spawner.accounts import Account, AccountError, account_of, own_account, unreachable_part

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes accounts")


@pytest.fixture
def name() -> Iterator[str]:
    name = f"ss-test-{secrets.token_hex(4)}"
    yield name
    if name in {entry.pw_name for entry in pwd.getpwall()}:
        subprocess.run(["userdel", "--", name], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("root", ["root", "never"]),
        ("daemon", ["system account", "uid 1", "allowed_system_accounts"]),
        ("nobody", ["system account"]),
        ("ss-test-nobody-has-it", ["no system account", "create_accounts"]),
        ("ann@example.org", ["cannot be the name", "account_template"]),
        ("../ann", ["cannot be the name"]),
        ("-x", ["cannot be the name"]),
        ("", ["cannot be the name"]),
    ],
)
def test_refused_with_a_sentence(name: str, words: list[str]) -> None:
    with pytest.raises(AccountError) as refused:
        account_of(name)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_root_is_refused_even_if_listed() -> None:
    with pytest.raises(AccountError, match="never"):
        account_of("root", allowed_system_accounts=["root"])


@as_root
def test_made_on_demand_with_a_private_home(name: str, tmp_path: Path) -> None:
    open_up(tmp_path)
    account = account_of(name, home_to_create=str(tmp_path / "homes" / "ann"))
    status = os.stat(account.home)
    assert account.uid >= 1000
    assert (status.st_uid, status.st_mode & 0o777) == (account.uid, 0o700)
    assert account_of(name) == account


@as_root
def test_home_that_is_missing_foreign_or_out_of_reach(name: str, tmp_path: Path) -> None:
    open_up(tmp_path)
    home = tmp_path / "closed" / "home"
    subprocess.run(["useradd", "--no-create-home", "--home-dir", home, "--user-group", name], check=True)
    with pytest.raises(AccountError, match="does not exist"):
        account_of(name)
    home.mkdir(parents=True)
    with pytest.raises(AccountError, match="does not belong"):
        account_of(name)
    os.chown(home, pwd.getpwnam(name).pw_uid, -1)
    home.parent.chmod(0o700)
    with pytest.raises(AccountError, match=f"may not enter {home.parent}"):
        account_of(name)
    home.parent.chmod(0o711)
    assert account_of(name).home == str(home)


def test_way_to_a_program_is_checked_for_the_account(tmp_path: Path) -> None:
    open_up(tmp_path)
    (tmp_path / "closed").mkdir(mode=0o750)
    program = tmp_path / "closed" / "program"
    program.touch()
    group = (tmp_path / "closed").stat().st_gid
    assert unreachable_part(str(program), stranger()) == str(tmp_path / "closed")
    assert unreachable_part(str(program), stranger(group)) is None
    assert unreachable_part(str(program), own_account()) is None


def stranger(*groups: int) -> Account:
    return Account("stranger", 54321, 54321, groups, "/", "/bin/sh")


def open_up(path: Path) -> None:
    """pytest's own folders are private."""
    for folder in [path, *path.parents][:-2]:
        if folder.stat().st_uid == os.geteuid() and str(folder) != "/tmp":
            folder.chmod(folder.stat().st_mode | 0o011)
