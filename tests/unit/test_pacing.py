"""When the capture thread captures."""

from __future__ import annotations

from itertools import pairwise

import pytest
from streamspace_proxy.streamer.pacing import BURST_SECONDS, QUIET_SECONDS, REFINE_INTERVAL, REFINE_STEPS, Act, Pacer


def run(
    pacer: Pacer, changes: list[float], until: float, *, crisp: bool = False, work: float = 0.0
) -> list[tuple[float, Act]]:
    """Simulate: the screen changes at `changes`, and somebody always wants a frame. Returns what was done when.

    `work`: seconds that a picture takes.
    """
    done: list[tuple[float, Act]] = []
    now, pending, changes = 0.0, False, sorted(changes)
    while now <= until:
        while changes and changes[0] <= now:
            changes.pop(0)
            pending = True
        pacer.requested = True
        act, wait = pacer.decide(pending, now)
        if act is Act.SLEEP:
            nexts = [time for time in (changes[0] if changes else None, None if wait is None else now + wait) if time]
            if not nexts:
                break
            now = max(min(nexts), now + 1e-6)
            continue
        done.append((now, act))
        pacer.captured(now, pending, crisp)
        pending = False
        now += work
    return done


def test_nothing_is_done_while_nobody_wants_a_frame() -> None:
    pacer = Pacer(60)
    pacer.keyframe = True
    assert pacer.decide(True, 5.0) == (Act.SLEEP, None)


def test_a_quiet_screen_is_captured_the_moment_it_changes() -> None:
    assert run(Pacer(60), [1.0, 2.5], 3.0, crisp=True)[0] == (1.0, Act.CAPTURE)


def test_a_busy_screen_is_captured_once_per_frame_interval() -> None:
    done = run(Pacer(60), [step / 1000 for step in range(1, 1000)], 1.0)
    assert 59 <= len(done) <= 61
    # Changes come at whole milliseconds here: a late frame may be followed by one that is on the beat again.
    assert all(later - earlier >= 1 / 60 - 0.002 for (earlier, _), (later, _) in pairwise(done))


@pytest.mark.parametrize("fps", [50, 60])
@pytest.mark.parametrize("spread", [0.2, 0.6, 0.9])
def test_pictures_are_taken_when_a_program_has_done_with_drawing(fps: int, spread: float) -> None:
    # Each frame is drawn in two steps that lie apart by a part of `BURST_SECONDS`.
    begun = [1 + frame / fps for frame in range(60)]
    ended = [at + spread * BURST_SECONDS for at in begun]
    done = run(Pacer(60), begun + ended, 1.95, work=0.005)
    assert done[0] == (1.0, Act.CAPTURE), "the first one comes out of the quiet"
    settled = [at for at, act in done if at > 1.4]
    assert all(any(0 <= at - end < 0.006 for end in ended) for at in settled), "no answer waits for the next frame"
    assert len(settled) == pytest.approx(fps * 0.55, abs=1)


def test_a_program_that_always_draws_costs_no_frames_for_long() -> None:
    pacer = Pacer(60)
    done = run(pacer, [1 + step / 1000 for step in range(2000)], 3.0, work=0.005)
    assert sum(at > 2 for at, _ in done) >= 59


def test_a_picture_that_rests_becomes_crisp_and_then_there_is_silence() -> None:
    done = run(Pacer(60), [1.0], 60.0)
    assert [act for _, act in done] == [Act.CAPTURE] + [Act.REFINE] * REFINE_STEPS
    assert done[1][0] - 1.0 >= QUIET_SECONDS - 1e-6
    assert done[-1][0] < 1.0 + QUIET_SECONDS + (REFINE_STEPS + 1) * REFINE_INTERVAL
    assert [act for _, act in run(Pacer(60), [1.0], 60.0, crisp=True)] == [Act.CAPTURE], (
        "a change that is crisp at once"
    )


def test_the_refining_ends_with_the_repeat_that_is_crisp() -> None:
    pacer = Pacer(60)
    for step, crisp in enumerate([False, False, True]):
        pacer.captured(1.0 + step, step == 0, crisp)
        pacer.requested = True
        assert pacer.decide(False, 100.0)[0] is (Act.SLEEP if crisp else Act.REFINE)


def test_the_next_frame_waits_as_long_as_the_last_one_asks_for() -> None:
    pacer = Pacer(60)
    pacer.captured(1.0, True, False, pause=0.3)
    pacer.requested = True
    act, seconds = pacer.decide(True, 1.1)
    assert act is Act.SLEEP
    assert seconds == pytest.approx(0.2)


def test_a_change_interrupts_the_refining() -> None:
    done = run(Pacer(60), [1.0, 1.3], 1.31)
    assert done[-1] == (1.3, Act.CAPTURE)


def test_a_keyframe_is_made_of_a_screen_that_did_not_change() -> None:
    pacer = Pacer(60)
    pacer.requested = pacer.keyframe = True
    assert pacer.decide(False, 1.0) == (Act.CAPTURE, None)
    pacer.captured(1.0, False, True)
    pacer.requested = True
    assert pacer.decide(False, 1.0)[0] is Act.SLEEP


def test_a_keyframe_of_a_screen_at_rest_becomes_crisp_too() -> None:
    pacer = Pacer(60)
    pacer.keyframe = True
    assert [act for _, act in run(pacer, [], 60.0)] == [Act.CAPTURE] + [Act.REFINE] * REFINE_STEPS
