"""Who may import whom: the walls between the rooms, read from the source of every module."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {
    "streamspace_hub": ROOT / "streamspace_hub",
    "streamspace_spawner": ROOT / "spawner/streamspace_spawner",
    "streamspace_proxy": ROOT / "proxy/streamspace_proxy",
}
SHARED = ("streamspace_hub.model", "streamspace_hub.catalog")
TELEMETRY = "streamspace_hub.telemetry"
"""With `SHARED` what the spawner and the proxy may use of the control plane."""
LIGHT = ("streamspace_hub", "pydantic", "pydantic_core", "yaml")
"""What the vocabulary and the catalog may import beside the standard library: they are loaded in every process."""
CLIENT = ("streamspace_hub", "pydantic", "pydantic_core", "httpx")
"""What the SDK may import: it is there wherever a hub or a session is, and in users' own scripts."""
HEAVY = ("fastapi", "starlette", "uvicorn", "sqlalchemy", "alembic", "aiosqlite", "psycopg")
"""What only the service imports: sessions' images don't have it."""
MODULES = sorted((room, path) for room, folder in ROOMS.items() for path in folder.rglob("*.py"))


def imports(path: Path, module: str) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything that `module`, whose source is at `path`, imports anywhere in it."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            start = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                yield node.lineno, f"{start}.{alias.name}"


def name_of(room: str, path: Path) -> str:
    """Return the dotted name of the module at `path`."""
    parts = path.relative_to(ROOMS[room].parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def inside(name: str, *packages: str) -> bool:
    """Whether `name` is one of `packages` or lies in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def broken_rule(module: str, imported: str) -> str | None:
    """Return the rule that `module` breaks by importing `imported`, or None."""
    top = imported.partition(".")[0]
    standard = top in sys.stdlib_module_names
    ours, theirs = module.partition(".")[0], top if top in ROOMS else None
    rules = {
        "the desktop imports only the standard library and itself": (
            inside(module, "streamspace_proxy.desktop")
            and not standard
            and not inside(imported, "streamspace_proxy.desktop")
        ),
        "streamspace_hub, the spawner and the proxy do not import each other": (
            theirs not in (None, "streamspace_hub", ours)
        ),
        "the spawner and the proxy use only the vocabulary and the catalog of streamspace_hub": (
            ours != "streamspace_hub" and theirs == "streamspace_hub" and not inside(imported, *SHARED, TELEMETRY)
        ),
        "telemetry imports only itself, the standard library and OpenTelemetry": (
            inside(module, TELEMETRY) and not standard and not inside(imported, TELEMETRY, "opentelemetry")
        ),
        "only telemetry imports OpenTelemetry": top == "opentelemetry" and not inside(module, TELEMETRY),
        "the vocabulary and the catalog import nothing heavy": (
            inside(module, *SHARED) and not standard and top not in LIGHT
        ),
        "the SDK imports only the vocabulary, httpx and pydantic": (
            inside(module, "streamspace_hub.client")
            and not standard
            and (
                top not in CLIENT
                or (
                    theirs == "streamspace_hub"
                    and not inside(imported, "streamspace_hub.model", "streamspace_hub.client")
                )
            )
        ),
        "only the service imports what the service needs, and the service": (
            not inside(module, "streamspace_hub.service")
            and (inside(imported, "streamspace_hub.service") or top in HEAVY)
            # Tables in the hub's own database, with what the hub itself stands on.
            and not (module in ("streamspace_hub.journal", "streamspace_hub.refusals") and top == "sqlalchemy")
        ),
        "the service knows the hub by its REST API alone": (
            inside(module, "streamspace_hub.service")
            and top in ("jupyterhub", "tornado", "traitlets")
            # Who hears of events is configured as it is in the hub.
            and not (module == "streamspace_hub.service.event_log" and imported.startswith("traitlets.config.loader."))
        ),
        "the vocabulary imports only itself, the catalog only the vocabulary": (
            inside(module, *SHARED)
            and theirs == "streamspace_hub"
            and not inside(imported, "streamspace_hub.model", *(SHARED if inside(module, SHARED[1]) else ()))
        ),
    }
    return next((rule for rule, broken in rules.items() if broken), None)


@pytest.mark.parametrize(("room", "path"), MODULES, ids=[name_of(*module) for module in MODULES])
def test_no_module_reaches_through_a_wall(room: str, path: Path) -> None:
    module = name_of(room, path)
    broken = [
        f"{path}:{line}: {name}: {rule}" for line, name in imports(path, module) if (rule := broken_rule(module, name))
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("streamspace_proxy.desktop.init", "pydantic.BaseModel"),
        ("streamspace_proxy.desktop.init", "streamspace_proxy.streamer.x11"),
        ("streamspace_proxy.desktop", "streamspace_hub.model"),
        ("streamspace_proxy.streamer.core", "streamspace_hub.demo"),
        ("streamspace_proxy.local", "streamspace_spawner"),
        ("streamspace_spawner.mixin", "streamspace_proxy.local"),
        ("streamspace_hub.demo.run", "streamspace_spawner"),
        ("streamspace_hub.catalog.loader", "jupyterhub"),
        ("streamspace_hub.model.app", "streamspace_hub.catalog.load_catalog"),
        ("streamspace_hub.catalog.loader", "streamspace_hub.demo"),
        ("streamspace_hub.client.exchange", "typer"),
        ("streamspace_hub.client.exchange", "streamspace_hub.cli.output"),
        ("streamspace_hub.cli.commands", "streamspace_hub.service.audit"),
        ("streamspace_hub._install_service", "sqlalchemy"),
        ("streamspace_hub.service.hub", "jupyterhub.services.auth"),
        ("streamspace_hub.service.hub", "opentelemetry.trace"),
        ("streamspace_proxy.streamer.core", "opentelemetry.trace"),
        ("streamspace_hub.telemetry.logs", "pydantic"),
        ("streamspace_proxy.desktop.logs", "streamspace_hub.telemetry.logs"),
    ],
)
def test_the_rules_can_be_broken(module: str, imported: str) -> None:
    assert broken_rule(module, imported)


def test_relative_imports_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "loop.py"
    file.write_text("from ..streamer import x11\nfrom . import status\nimport os.path\n")
    assert list(imports(file, "streamspace_proxy.desktop.loop")) == [
        (1, "streamspace_proxy.streamer.x11"),
        (2, "streamspace_proxy.desktop.status"),
        (3, "os.path"),
    ]
