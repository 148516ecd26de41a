"""`python -m streamspace_proxy.extension`: the web server of a hub session."""

from __future__ import annotations

import sys

from streamspace_proxy.desktop.processes import hide_from_same_user
from streamspace_proxy.extension.lazy import make_lazy


def main() -> int:
    """Run until SIGTERM and return the exit status."""
    # Before the slow imports: our environment holds the hub's token, and the app may run under the same user id.
    hide_from_same_user()
    make_lazy()
    from streamspace_proxy.extension.server import main as serve

    return serve()


if __name__ == "__main__":
    sys.exit(main())
