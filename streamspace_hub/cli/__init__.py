"""The `streamspace` command: reads arguments, calls the part that does the work, prints one sentence when it fails."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from streamspace_hub import __version__
from streamspace_hub.cli.images import add_images


def main(argv: list[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return its exit status."""
    arguments = _parser().parse_args(argv)
    run = getattr(arguments, "run", None)
    if run is None:
        _parser().print_help()
        return 2
    status: int = run(arguments)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="streamspace", description="Streamed desktop apps for JupyterHub.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    demo = commands.add_parser("demo", help="run a hub with desktop apps on this machine, in the foreground")
    demo.set_defaults(run=_demo)

    apps = commands.add_parser("apps", help="list the apps of the catalog, and what is wrong with it")
    apps.add_argument(
        "--catalog-dir", type=Path, action="append", default=[], help="a folder of templates (repeatable)"
    )
    apps.add_argument("--json", action="store_true", help="print JSON")
    apps.set_defaults(run=_apps)

    add_images(commands)

    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_version)
    return parser


def _demo(arguments: argparse.Namespace) -> int:
    from streamspace_hub.demo.run import DemoError, run_demo  # keeps the other commands quick

    try:
        return run_demo()
    except DemoError as problem:
        _say(str(problem), error=True)
        return 1


def _apps(arguments: argparse.Namespace) -> int:
    from streamspace_hub.catalog import load_catalog  # keeps `version` quick
    from streamspace_hub.catalog.installed import is_installed

    catalog = load_catalog(arguments.catalog_dir)
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "title": entry.template.title,
            "installed": is_installed(entry.template),
            "packages": entry.template.packages,
            "source": str(entry.source),
        }
        for name, entry in sorted(catalog.apps.items())
    ]
    problems = [str(problem) for problem in catalog.problems]
    if arguments.json:
        _say(json.dumps({"apps": rows, "problems": problems}, indent=2))
    else:
        for row in rows:
            here = "installed" if row["installed"] else "not installed: apt-get install " + " ".join(row["packages"])
            _say(f"{row['name']:<14} {row['title']:<24} {here}")
        for line in problems:
            _say(line, error=True)
    return 1 if problems else 0


def _version(arguments: argparse.Namespace) -> int:
    _say(__version__)
    return 0


def _say(text: str, *, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout, flush=True)
