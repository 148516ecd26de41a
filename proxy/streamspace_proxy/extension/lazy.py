"""Keep the hub's database layer out of a session's web server.

`jupyterhub.services.auth` imports it for a function that compares scopes, and uses nothing of it: half a second and
25 MB for each session. What is made lazy here loads when something of it is asked for, so that nothing can go missing.
(`importlib.util.LazyLoader` won't do: up to Python 3.11 an `import` statement is enough to make it load.)
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

DATABASE_LAYER = ("jupyterhub.orm", "jupyterhub.roles")


class _LazyModule(ModuleType):
    """Stands in `sys.modules` until one of the module's attributes is asked for."""

    def __getattr__(self, attribute: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        self.__dict__.update(module.__dict__)
        return getattr(module, attribute)


def make_lazy(names: Sequence[str] = DATABASE_LAYER) -> None:
    """Let each module that is not loaded yet load at its first use."""
    for name in names:
        sys.modules.setdefault(name, _LazyModule(name))
