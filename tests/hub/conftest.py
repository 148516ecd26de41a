"""One hub with two users for all tests of a module that leave it as they find it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.hub import TempHub, new_user, temp_hub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[TempHub]:
    """A running hub with two users; ask for it in modules marked `asyncio(loop_scope="module")`."""
    async with temp_hub(new_user(), new_user()) as running:
        yield running
