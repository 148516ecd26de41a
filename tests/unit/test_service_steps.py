"""A loop of a replica goes on, whatever breaks in it."""

from __future__ import annotations

import asyncio

import pytest

from streamspace_hub.service.steps import for_good


async def test_a_loop_that_breaks_off_is_logged_and_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    begun, goes_on = 0, asyncio.Event()

    async def loop() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise RuntimeError(f"nobody thought of this {begun}")
        goes_on.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(for_good(loop, pause=0))
    await goes_on.wait()
    assert [f"this {number}" in caplog.text for number in (1, 2)] == [True, True]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_has_nothing_to_do_is_over() -> None:
    async def nothing() -> None:
        return

    await for_good(nothing)
