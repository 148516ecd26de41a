"""The catalog as the hub needs it: at hand at every start, and up to date when an admin edits a template."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from streamspace_hub.catalog import Catalog, load_catalog

_Signature = tuple[tuple[str, int, int], ...]
_loaded: dict[tuple[str, ...], tuple[_Signature, Catalog]] = {}


async def current_catalog(folders: Sequence[str], warn: Callable[[str], None]) -> Catalog:
    """Return the built-in catalog with the templates in `folders`, read again if a file there has changed.

    What is wrong with the templates goes to `warn`, once for each reading.
    """
    return await asyncio.to_thread(_current, tuple(folders), warn)


def _current(folders: tuple[str, ...], warn: Callable[[str], None]) -> Catalog:
    signature = tuple(_signature(folders))
    known = _loaded.get(folders)
    if known is not None and known[0] == signature:
        return known[1]
    catalog = load_catalog([Path(folder) for folder in folders])
    _loaded[folders] = (signature, catalog)
    for problem in catalog.problems:
        warn(f"Catalog: {problem}")
    return catalog


def _signature(folders: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    for folder in folders:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            for entry in entries:
                status = entry.stat()
                yield (entry.path, status.st_mtime_ns, status.st_size)
        except OSError:
            yield (folder, 0, 0)
