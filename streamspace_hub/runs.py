"""`/hub/api/streamspace/runs`: the service fetches when sessions began and ended, and says what it has written down.

What it has not said so of is told again. Knows JupyterHub's handlers; what there is to tell is `journal`'s matter.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from streamspace_hub.from_service import FromService
from streamspace_hub.journal import ENTRY, Journal, Key

PATH = r"/api/streamspace/runs"
MOST: Final = 500
"""Runs that are told at once; for more the service asks again."""


class Taken(BaseModel):
    """What the service has in its ledger: numbers of runs, each with the end that it was told, if any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    taken: list[tuple[int, float | None]] = Field(max_length=MOST)


class RunsHandler(FromService):
    """For the service alone."""

    @property
    def _journal(self) -> Journal:
        journal: Journal = self.board[ENTRY]
        return journal

    def get(self) -> None:
        """List what the service does not know yet, the oldest first."""
        self.check_caller()
        self._journal.end_others(self.db, self._active())
        self.write(json.dumps({"runs": [asdict(run) for run in self._journal.untold(self.db, MOST)]}))

    def put(self) -> None:
        """Forget what it knows now."""
        self._journal.acknowledge(self.db, self.told(Taken).taken)
        self.set_status(204)

    def _active(self) -> set[Key]:
        # Those that a restarted hub has still to look for are pending, and count as active.
        users = self.users.values()
        return {(user.name, name) for user in users for name, one in user.spawners.items() if one.active}
