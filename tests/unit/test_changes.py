"""What is told in a hub, and to whom: plain Python, no hub."""

from __future__ import annotations

import json

import pytest
from streamspace_spawner.watched import Watched

from streamspace_hub import changes


def test_each_listener_hears_everything_from_its_beginning_to_its_end() -> None:
    told = changes.Changes()
    told.tell("ann", "before", "state")
    one, other = told.listen(), told.listen()
    told.tell("ann", "gimp", "state")
    told.leave(other)
    told.tell("ann", "gimp", "accepted")
    heard = [json.loads(one.get_nowait())["what"] for _ in range(2)]
    assert heard == ["state", "accepted"]
    assert (one.empty(), other.qsize()) == (True, 1)


def test_a_listener_that_is_too_slow_is_let_go_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST", 2)
    told = changes.Changes()
    slow = told.listen()
    for _ in range(3):
        told.tell("ann", "gimp", "state")
    assert not told.hears(slow)
    quick = told.listen()
    told.tell("ann", "gimp", "state")
    assert told.hears(quick)
    assert quick.qsize() == 1


class Server:
    pending = Watched()

    def __init__(self) -> None:
        self.seen: list[object] = []

    def on_pending(self) -> None:
        self.seen.append(self.pending)


def test_a_flag_tells_when_it_changes_and_not_when_it_is_set_again() -> None:
    one, other = Server(), Server()
    assert one.pending is False
    for value in (False, True, True, False):
        one.pending = value
    assert one.seen == [True, False], "what is told can be seen already"
    assert (other.pending, other.seen) == (False, [])
