"""Wait for something that is to come true by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

STALL = 5.0
"""Seconds after which a picture, an answer or a way out counts as not coming by itself.

Far above what they take: how long that is, is the bench's to say. A busy machine must not fail a test.
"""

PATIENCE = 60.0
"""Seconds after which a test gives up waiting for what it needs in order to go on.

Above what the slowest machine takes, since a test that passes never waits so long.
"""


def eventually(
    condition: Callable[[], Any], what: str, limit: float = PATIENCE, log: Callable[[], str] = lambda: ""
) -> Any:
    """Return the first true value of `condition()`; fail after `limit` seconds with `what` and the end of `log()`."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {limit} s for {what}\n{log()[-4000:]}")


def steady(read: Callable[[], Any], what: str) -> Any:
    """Return the value of `read()` once it is the same half a second later."""
    seen = [read()]

    def still() -> bool:
        time.sleep(0.5)
        seen.append(read())
        return bool(seen[-1] == seen[-2])

    eventually(still, f"{what} to stand still")
    return seen[-1]
