"""What a replica does again and again, and soon after it has been told that there is something new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from streamspace_hub.service.database import Unreachable
from streamspace_hub.service.hub import HubError

PAUSE = 1.0
"""Seconds until a loop that broke off is begun again."""

log = logging.getLogger("streamspace.service")


async def for_good(loop: Callable[[], Awaitable[None]], pause: float = PAUSE) -> None:
    """Run a loop of a replica until cancelled; one that breaks off is logged, and begun again after `pause` seconds.

    Each deals with what it knows may go wrong. What nobody thought of must not end it unseen: requests would be
    answered, and nobody would hear of changes any more.
    """
    while True:
        try:
            await loop()
        except Exception:
            log.exception("%s broke off, and begins again", getattr(loop, "__qualname__", loop))
        else:
            return  # there is nothing to do, such as without webhooks
        await asyncio.sleep(pause)


async def again_and_again(
    step: Callable[[], Awaitable[None]], something: asyncio.Event, every: float, what: str
) -> None:
    """Go on until cancelled; what could not be done is logged, and tried again.

    Args:
        step: what is done.
        something: set when it is to be done soon.
        every: seconds after which it is done in any case.
        what: what it is, for the log.
    """
    while True:
        try:
            await step()
        except (HubError, *Unreachable) as error:
            log.warning("%s has to wait: %s", what, error)
        except Exception:
            log.exception("%s failed", what)
        try:
            await asyncio.wait_for(something.wait(), every)
        except TimeoutError:
            continue
        something.clear()
