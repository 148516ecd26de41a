"""Attributes of JupyterHub's `Spawner` whose changes are told on. Knows no session, and not to whom.

The hub calls no hook when a server becomes ready or has gone; these flags of its own are what it tells everybody by.
"""

from __future__ import annotations

from typing import Any


class Watched:
    """One such flag, False until the hub sets it. Its owner's `on_pending` is called after each change."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = f"_streamspace{name}"

    def __get__(self, spawner: Any, owner: type | None = None) -> Any:
        return False if spawner is None else spawner.__dict__.get(self._slot, False)

    def __set__(self, spawner: Any, value: Any) -> None:
        before = self.__get__(spawner)
        spawner.__dict__[self._slot] = value
        if value != before:
            spawner.on_pending()
