"""`streamspace images`: lists, shows, builds and pushes the container images of apps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamspace_hub.cli.output import Exit, complain, show_json, show_table
from streamspace_hub.cli.registering import command

if TYPE_CHECKING:
    from streamspace_hub.model import AppTemplate

images = typer.Typer(help="List, show, build or push the container images of apps.", no_args_is_help=True)

Folders = Annotated[list[Path] | None, typer.Option("--catalog-dir", help="A folder of templates (repeatable).")]
Base = Annotated[str | None, typer.Option(help="The image to start from; streamspace/base of this version without it.")]
Prefix = Annotated[str, typer.Option(help="Registry and path before each image's name.")]


@command(images, "list")
def list_images(
    catalog_dir: Folders = None,
    base: Base = None,
    prefix: Prefix = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """List what can be built."""
    from streamspace_hub.catalog import load_catalog
    from streamspace_hub.images import image_name

    found: list[dict[str, Any]] = [
        {
            "name": name,
            "image": entry.template.image or image_name(name, prefix),
            "builds": bool(entry.template.packages) and entry.template.image is None,
            "packages": entry.template.packages,
        }
        for name, entry in sorted(load_catalog(catalog_dir or []).apps.items())
    ]
    if as_json:
        show_json({"images": found})
    else:
        rows = [
            (one["name"], one["image"], " ".join(one["packages"]) if one["builds"] else "not built here")
            for one in found
        ]
        show_table(("name", "image", "contents"), rows, "The catalog is empty.")
    return Exit.OK


@command(images)
def show(
    app: Annotated[str, typer.Argument(help="Name of the app.")],
    catalog_dir: Folders = None,
    base: Base = None,
    prefix: Prefix = "",
) -> int:
    """Print the Containerfile of an app."""
    from streamspace_hub.images import BASE, ImageError, containerfile

    template = _template(app, catalog_dir)
    if template is None:
        return Exit.FAILED
    try:
        sys.stdout.write(containerfile(template, base or BASE))
    except ImageError as problem:
        return _fail(str(problem))
    return Exit.OK


@command(images)
def build(
    apps: Annotated[list[str], typer.Argument(help="Names of the apps.")],
    catalog_dir: Folders = None,
    base: Base = None,
    prefix: Prefix = "",
    buildah: Annotated[list[str] | None, typer.Option(metavar="OPTION", help="For buildah (repeatable).")] = None,
) -> int:
    """Build images with buildah."""
    from streamspace_hub.images import BASE
    from streamspace_hub.images import build as build_image

    def work(template: AppTemplate, name: str) -> None:
        build_image(template, base=base or BASE, name=name, options=buildah or [])

    return _each(apps, catalog_dir, prefix, "Building", work)


@command(images)
def push(
    apps: Annotated[list[str], typer.Argument(help="Names of the apps.")],
    catalog_dir: Folders = None,
    prefix: Prefix = "",
    buildah: Annotated[list[str] | None, typer.Option(metavar="OPTION", help="For buildah (repeatable).")] = None,
) -> int:
    """Push images that were built to the registry of --prefix, with buildah."""
    from streamspace_hub.images import push as push_image

    return _each(apps, catalog_dir, prefix, "Pushing", lambda _, name: push_image(name, options=buildah or []))


def _each(
    apps: list[str], folders: list[Path] | None, prefix: str, doing: str, work: Callable[[AppTemplate, str], None]
) -> int:
    """Do something with the image of each app; with none where an app is unknown, and no more after one has failed."""
    from streamspace_hub.images import ImageError, image_name

    templates = [_template(app, folders) for app in apps]
    if None in templates:
        return Exit.FAILED
    for template in filter(None, templates):
        name = image_name(template.name, prefix)
        print(f"{doing} {name}", flush=True)
        try:
            work(template, name)
        except ImageError as problem:
            return _fail(str(problem))
    return Exit.OK


def _template(app: str, folders: list[Path] | None) -> AppTemplate | None:
    from streamspace_hub.catalog import UnknownApp, load_catalog

    try:
        return load_catalog(folders or []).get(app).template
    except UnknownApp as problem:
        _fail(str(problem))
        return None


def _fail(sentence: str) -> int:
    complain(sentence)
    return Exit.FAILED
