"""System accounts that users' servers run under. Knows the system's user database, and nothing of the hub.

Everything here blocks (the user database may be LDAP), so the spawner calls it in a thread.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
import subprocess
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

# useradd(8), "CAVEATS": what Debian and shadow-utils both accept
ACCOUNT_PATTERN = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
FIRST_REGULAR_UID = 1000
NOBODY_UID = 65534

# useradd locks /etc/passwd and fails at once if somebody else holds the lock.
_creating = threading.Lock()


class AccountError(Exception):
    """There is no account that the server may run under. The text is a sentence for the user."""


@dataclass(frozen=True)
class Account:
    """A system account."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str


def runs_as_root() -> bool:
    """Return whether this process can give each user's servers a uid of their own."""
    return os.geteuid() == 0


def own_account() -> Account:
    """Return the account that this process runs under."""
    uid, gid = os.geteuid(), os.getegid()
    home = os.path.expanduser("~")
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        # A container with an arbitrary uid (OpenShift) has no entry.
        return Account(str(uid), uid, gid, tuple(os.getgroups()), home, "/bin/sh")
    return Account(entry.pw_name, uid, gid, tuple(os.getgroups()), home, entry.pw_shell or "/bin/sh")


def account_of(
    name: str, *, home_to_create: str | None = None, allowed_system_accounts: Collection[str] = ()
) -> Account:
    """Return the account `name`, made first if `home_to_create` is given and there is none.

    Raises:
        AccountError: there is none, it may not run users' servers, or its home cannot be used.
    """
    if not ACCOUNT_PATTERN.fullmatch(name):
        raise AccountError(
            f"'{name}' cannot be the name of a system account (lower-case letters, digits, '_' and '-', at most 32). "
            "An administrator can set LocalStreamSpaceSpawner.account_template or map user names in the authenticator."
        )
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        if home_to_create is None:
            raise AccountError(
                f"There is no system account '{name}' to run this server under. "
                "An administrator has to create it, or set LocalStreamSpaceSpawner.create_accounts."
            ) from None
        entry = _create(name, home_to_create)
    _check_uid(name, entry.pw_uid, allowed_system_accounts)
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    account = Account(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir, entry.pw_shell or "/bin/sh")
    _check_home(account)
    return account


def unreachable_part(path: str, account: Account) -> str | None:
    """Return the first folder above `path` (or `path` itself, if a folder) that `account` may not enter, or None."""
    real = Path(os.path.realpath(path))
    for folder in [*reversed(real.parents), real]:
        status = folder.stat()
        if stat.S_ISDIR(status.st_mode) and not _may_enter(status, account):
            return str(folder)
    return None


def _may_enter(status: os.stat_result, account: Account) -> bool:
    if account.uid == status.st_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid in (account.gid, *account.groups):
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _create(name: str, home: str) -> pwd.struct_passwd:
    with _creating:
        try:
            return pwd.getpwnam(name)  # by another server of the same user, meanwhile
        except KeyError:
            pass
        os.makedirs(os.path.dirname(home), mode=0o755, exist_ok=True)
        made = subprocess.run(
            ["useradd", "--create-home", "--home-dir", home, "--shell", "/bin/bash", "--user-group", "--", name],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        if made.returncode != 0:
            raise AccountError(f"The system account '{name}' could not be created: {made.stderr.strip()}")
        entry = pwd.getpwnam(name)
        if os.stat(home).st_uid == entry.pw_uid:
            os.chmod(home, 0o700)
        return entry


def _check_uid(name: str, uid: int, allowed_system_accounts: Collection[str]) -> None:
    if uid == 0:
        raise AccountError(f"The system account '{name}' is root; users' servers never run as root.")
    if (uid < FIRST_REGULAR_UID or uid == NOBODY_UID) and name not in allowed_system_accounts:
        raise AccountError(
            f"'{name}' is a system account (uid {uid}) and may not run users' servers. "
            "An administrator can list it in LocalStreamSpaceSpawner.allowed_system_accounts."
        )


def _check_home(account: Account) -> None:
    try:
        owner = os.stat(account.home).st_uid
        closed = unreachable_part(account.home, account)
    except OSError:
        raise AccountError(
            f"The home folder {account.home} of the account '{account.name}' does not exist. "
            "An administrator has to create it."
        ) from None
    if owner != account.uid:
        raise AccountError(f"The home folder {account.home} does not belong to the account '{account.name}'.")
    if closed:
        raise AccountError(
            f"The account '{account.name}' cannot reach its home folder {account.home}, because others may not enter "
            f"{closed}. An administrator can allow it with `chmod o+x {closed}`, or choose another home."
        )
