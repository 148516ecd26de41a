"""The `streamspace` command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own); return its exit status (docs/reference/cli.md)."""
    try:
        import typer  # noqa: F401
    except ImportError:
        print('The `streamspace` command needs: pip install "streamspace-hub[client]"', file=sys.stderr)
        return 2
    from streamspace_hub.cli.commands import run

    return run(sys.argv[1:] if argv is None else argv)
