"""A desktop's container that Kubernetes starts as root, since an ordinary user's would have no capabilities.

Root reads what nobody else may, and becomes the desktop's user for good, before anything of the desktop runs.

    STREAMSPACE_DESKTOP_UID      whom to become; the group is the container's

`python -m streamspace_proxy.desktop.container COMMAND...` runs a command as that user, with no capabilities.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence

from streamspace_proxy.desktop import privileges, sleep_key
from streamspace_proxy.desktop.settings import SettingsError

UID = "STREAMSPACE_DESKTOP_UID"


def enter(environ: MutableMapping[str, str]) -> None:
    """Become the desktop's user, if we are root and are told whom; `environ` then names no file that is root's.

    Raises SettingsError, and then nothing may be started.
    """
    if os.geteuid() != 0 or not environ.get(UID):
        return
    uid = _uid(environ)
    file = environ.get(sleep_key.FILE)
    sleep_key.hold(environ)
    try:
        privileges.become(uid)
    except OSError as error:
        raise SettingsError(f"{UID}: root may not become {uid} here: {error.strerror}.") from error
    if file is not None and os.access(file, os.R_OK):
        raise SettingsError(f"{sleep_key.FILE}: the desktop's programs could read {file}, which is for root alone.")


def _uid(environ: Mapping[str, str]) -> int:
    text = environ[UID]
    if not text.isdecimal() or not 0 < int(text) < 1 << 32:
        raise SettingsError(f"{UID} must be the number of a user other than root.")
    return int(text)


def main(command: Sequence[str]) -> int:
    """Run `command` in our place; returns an exit code where it cannot be."""
    try:
        if os.geteuid() == 0:
            # Whoever changes from root to another user has no capabilities.
            os.setuid(_uid(os.environ))
        os.execvp(command[0], list(command))  # noqa: S606
    except (SettingsError, KeyError, IndexError, OSError) as error:
        print(f"streamspace desktop: {error}", file=sys.stderr)
    return 126


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
