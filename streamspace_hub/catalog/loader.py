"""The catalog: every app that can be launched, from the built-in templates and from an admin's folders.

Reading it never fails: what is wrong with a file becomes a `CatalogProblem`, and everything else still loads. It reads
files and takes some tens of milliseconds, so load it once at the start of a process, or in a thread. It does not know
whether a program is installed, nor who may launch it.
"""

from __future__ import annotations

import difflib
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from streamspace_hub.catalog.document import MAX_BYTES, Document, DocumentError, read_document
from streamspace_hub.catalog.icons import IconError, letter_icon, read_icon
from streamspace_hub.model import AppTemplate, Category
from streamspace_hub.model.explain import Complaint, explain

BUILTIN_APPS = Path(__file__).parent / "apps"
BUILTIN_ICONS = Path(__file__).parent / "icons"
SUFFIXES = (".yaml", ".yml")
SECTIONS = list(Category)


class UnknownApp(LookupError):  # noqa: N818 (reads as a sentence where it is raised)
    """No app has that name; its text is a sentence for the user."""


@dataclass(frozen=True)
class CatalogProblem:
    """One thing that an admin should put right."""

    file: Path
    """The template file, or the folder that could not be read."""
    message: str
    line: int | None = None
    field: str | None = None
    """The field at fault, e.g. `resources.mem_limit`."""

    def __str__(self) -> str:
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


@dataclass(frozen=True)
class CatalogEntry:
    """One app."""

    template: AppTemplate
    icon_svg: str
    """SVG text that may be put into a page as it is."""
    source: Path
    """The template file."""


@dataclass(frozen=True)
class Catalog:
    """What can be launched, in the order in which launchers show it, and what is wrong with the template files."""

    apps: Mapping[str, CatalogEntry]
    problems: tuple[CatalogProblem, ...]

    def get(self, name: str) -> CatalogEntry:
        """Return the app called `name`, or raise `UnknownApp` with the names to choose from."""
        if name in self.apps:
            return self.apps[name]
        near = difflib.get_close_matches(name, self.apps, n=3)
        shown = name if len(name) <= 40 and name.isprintable() else f"{name[:40]!r}..."
        if near:
            raise UnknownApp(f"There is no app `{shown}`. Did you mean {' or '.join(near)}?")
        raise UnknownApp(f"There is no app `{shown}`. Choose one of: {', '.join(sorted(self.apps)) or '(none)'}.")


def load_catalog(extra_dirs: Sequence[Path] = ()) -> Catalog:
    """Return the built-in apps and those of `extra_dirs`.

    An app in a later folder replaces the one of the same name in an earlier folder. A wrong file in a later folder
    withdraws the app that it meant to replace: an admin who restricts an app and mistypes must not get the
    unrestricted one.
    """
    apps: dict[str, CatalogEntry] = {}
    problems: list[CatalogProblem] = []
    for folder in (BUILTIN_APPS, *map(Path, extra_dirs)):
        found = _load_folder(folder)
        for name in found.withdrawn:
            apps.pop(name, None)
        apps.update(found.apps)
        problems.extend(found.problems)
    ordered = sorted(apps.values(), key=_launcher_order)
    return Catalog(MappingProxyType({entry.template.name: entry for entry in ordered}), tuple(problems))


def _launcher_order(entry: CatalogEntry) -> tuple[int, str]:
    return SECTIONS.index(entry.template.categories[0]), entry.template.title.casefold()


@dataclass
class _Folder:
    """What one folder holds."""

    apps: dict[str, CatalogEntry] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    problems: list[CatalogProblem] = field(default_factory=list)


def _load_folder(folder: Path) -> _Folder:
    found = _Folder()
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except FileNotFoundError:
        found.problems.append(CatalogProblem(folder, "the folder does not exist; create it, or leave it out."))
        return found
    except OSError as error:
        message = f"the folder cannot be read ({error.strerror}); it must be a folder that this process may read."
        found.problems.append(CatalogProblem(folder, message))
        return found
    for name in names:
        if name.endswith(SUFFIXES) and not name.startswith("."):
            _load_file(folder / name, found)
    return found


def _load_file(file: Path, found: _Folder) -> None:
    document: Document | None = None
    try:
        document = read_document(_content(file))
        template = AppTemplate.model_validate(document.data)
    except DocumentError as error:
        place = Complaint(error.location, str(error)).field
        found.problems.append(CatalogProblem(file, str(error), error.line, place or None))
    except ValidationError as error:
        found.problems.extend(_problems(file, document, error))
    else:
        _add(file, document, template, found)
        return
    found.withdrawn.add(_meant_name(file, document))


def _add(file: Path, document: Document, template: AppTemplate, found: _Folder) -> None:
    if template.name in found.apps:
        other = found.apps[template.name].source.name
        message = f"`{template.name}` is already the name of the app in {other}; choose another name."
        found.problems.append(CatalogProblem(file, message, document.line_of(("name",)), "name"))
        return
    icon = letter_icon(template.title)
    if template.icon is not None:
        try:
            icon = read_icon(_icon_path(file, template.icon))
        except IconError as error:
            message = f"{template.icon} {error} The tile shows a letter instead."
            found.problems.append(CatalogProblem(file, message, document.line_of(("icon",)), "icon"))
    found.apps[template.name] = CatalogEntry(template, icon, file)


def _icon_path(file: Path, icon: str) -> Path:
    """Return where `icon` is: beside the template, else among the built-in icons."""
    beside, builtin = file.parent / icon, BUILTIN_ICONS / icon
    return builtin if builtin.is_file() and not beside.exists() else beside


def _content(file: Path) -> bytes:
    try:
        # Opening a named pipe would wait for a writer for ever.
        if not stat.S_ISREG(file.stat().st_mode):
            raise DocumentError("is not a regular file; only files are read as templates.")
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"cannot be read ({error.strerror}); let this process read it.") from None


def _problems(file: Path, document: Document | None, error: ValidationError) -> Iterator[CatalogProblem]:
    for complaint in explain(error, AppTemplate):
        line = document.line_of(complaint.location) if document else None
        yield CatalogProblem(file, complaint.message, line, complaint.field or None)


def _meant_name(file: Path, document: Document | None) -> str:
    """Return the name of the app that a wrong file was meant to describe: its `name`, else the file's own."""
    name = document.data.get("name") if document else None
    return name if isinstance(name, str) else file.stem
