"""What a replica does again and again, and soon after it has been told that there is something new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from streamspace_hub.service.database import Unreachable
from streamspace_hub.service.hub import HubError

log = logging.getLogger("streamspace.service")


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
