"""The recipes of docs/how-to/login.md, as they stand there."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.support.running import ROOT

TEXT = (ROOT / "docs" / "how-to" / "login.md").read_text()


def python(section: str) -> list[str]:
    """Return what Python there is under a heading, block by block."""
    return _blocks(section, "python")


def values(section: str) -> dict[str, Any]:
    """Return the Helm values under a heading."""
    (block,) = _blocks(section, "yaml")
    found: dict[str, Any] = yaml.safe_load(block)
    return found


def adapted(recipe: str, replacing: dict[str, str]) -> str:
    """Return a recipe with its examples' names replaced by real ones; each must be in it."""
    for example, real in replacing.items():
        assert example in recipe, f"{example} is no longer in the recipe"
        recipe = recipe.replace(example, real)
    return recipe


def _blocks(section: str, language: str) -> list[str]:
    (found,) = re.findall(rf"^## {re.escape(section)}$(.*?)(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```$", found, flags=re.MULTILINE | re.DOTALL)
