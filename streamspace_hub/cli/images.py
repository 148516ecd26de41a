"""`streamspace images`: lists, shows and builds the container images of apps."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamspace_hub.model import AppTemplate


def add_images(commands: Any) -> None:
    """Add the command to those of `streamspace`."""
    images = commands.add_parser("images", help="list, show or build the container images of apps")
    actions = images.add_subparsers(title="actions", metavar="ACTION", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--catalog-dir", type=Path, action="append", default=[], help="a folder of templates (repeatable)"
    )
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--base", help="the image to start from (default: streamspace/base of this version)")
    named.add_argument("--prefix", default="", help="registry and path before each image's name")

    listing = actions.add_parser("list", parents=[common, named], help="what can be built")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=_list)

    show = actions.add_parser("show", parents=[common, named], help="print the Containerfile of an app")
    show.add_argument("app")
    show.set_defaults(run=_show)

    build = actions.add_parser("build", parents=[common, named], help="build images with buildah")
    build.add_argument("apps", nargs="+", metavar="app")
    build.add_argument("--buildah", action="append", default=[], metavar="OPTION", help="for buildah (repeatable)")
    build.set_defaults(run=_build)


def _list(arguments: argparse.Namespace) -> int:
    from streamspace_hub.catalog import load_catalog
    from streamspace_hub.images import image_name

    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "image": entry.template.image or image_name(name, arguments.prefix),
            "builds": bool(entry.template.packages) and entry.template.image is None,
            "packages": entry.template.packages,
        }
        for name, entry in sorted(load_catalog(arguments.catalog_dir).apps.items())
    ]
    if arguments.json:
        print(json.dumps({"images": rows}, indent=2))
        return 0
    for row in rows:
        contents = " ".join(row["packages"]) if row["builds"] else "not built here"
        print(f"{row['name']:<14} {row['image']:<44} {contents}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from streamspace_hub.images import BASE, ImageError, containerfile

    template = _template(arguments.app, arguments)
    if template is None:
        return 1
    try:
        print(containerfile(template, arguments.base or BASE), end="")
    except ImageError as problem:
        return _fail(str(problem))
    return 0


def _build(arguments: argparse.Namespace) -> int:
    from streamspace_hub.images import BASE, ImageError, build, image_name

    templates = [_template(app, arguments) for app in arguments.apps]
    if None in templates:
        return 1
    for template in filter(None, templates):
        name = image_name(template.name, arguments.prefix)
        print(f"Building {name}", flush=True)
        try:
            build(template, base=arguments.base or BASE, name=name, options=arguments.buildah)
        except ImageError as problem:
            return _fail(str(problem))
    return 0


def _template(app: str, arguments: argparse.Namespace) -> AppTemplate | None:
    from streamspace_hub.catalog import UnknownApp, load_catalog

    try:
        return load_catalog(arguments.catalog_dir).get(app).template
    except UnknownApp as problem:
        _fail(str(problem))
        return None


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1
