"""Who gets which frame: tables for the rules, properties for what must hold whatever happens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.streamer.broadcast import KEYFRAME_INTERVAL, STALLED_SECONDS, Broadcast
from streamspace_proxy.streamer.window import LEAST_FRAMES, Arrival

BITS = 80_000


def started(*names: str) -> Broadcast[str]:
    broadcast: Broadcast[str] = Broadcast()
    for name in names:
        broadcast.add(name, acknowledges=True)
    return broadcast


def test_nobody_there_nothing_is_captured() -> None:
    assert not started().plan(0).frame


def test_a_new_viewer_gets_a_keyframe_at_once_even_right_after_another() -> None:
    broadcast = started("a")
    plan = broadcast.plan(10.0)
    assert plan.frame
    assert plan.keyframe
    assert broadcast.deliver(True, BITS, 10.0) == [("a", 0)]
    broadcast.add("b", acknowledges=True)
    assert broadcast.plan(10.01).keyframe


def test_a_viewer_gets_no_third_frame_unacknowledged_and_keeps_its_chain() -> None:
    broadcast = started("a")
    assert broadcast.deliver(True, BITS, 0) == [("a", 0)]
    assert broadcast.plan(0.1).frame
    assert broadcast.deliver(False, BITS, 0.1) == [("a", 1)]
    assert not broadcast.plan(0.2).frame
    assert broadcast.acknowledge("a", 0, 0.3) == Arrival(0.3, BITS, alone=True)
    plan = broadcast.plan(0.3)
    assert plan.frame
    assert not plan.keyframe
    assert broadcast.deliver(False, BITS, 0.3) == [("a", 2)]


def test_a_long_way_has_room_for_more_frames() -> None:
    broadcast = started("a")
    broadcast.set_window("a", 4)
    for number in range(4):
        assert broadcast.plan(number).frame
        assert broadcast.deliver(number == 0, BITS, number) == [("a", number)]
    assert not broadcast.plan(4).frame
    broadcast.set_window("a", 2)
    broadcast.acknowledge("a", 1, 4)
    assert not broadcast.plan(4).frame, "two are under way still"
    broadcast.acknowledge("a", 2, 4)
    assert broadcast.plan(4).frame


def test_a_slow_viewer_does_not_slow_another_and_goes_on_with_a_keyframe() -> None:
    broadcast = started("fast", "slow")
    now = 0.0
    broadcast.deliver(True, BITS, now)
    broadcast.acknowledge("fast", 0, now)
    for number in range(1, 100):
        now += 0.016
        assert broadcast.plan(now).frame
        assert "fast" in dict(broadcast.deliver(False, BITS, now))
        broadcast.acknowledge("fast", number, now)
    # It has had two frames and says so: a keyframe is made for it, and both go on together.
    assert broadcast.acknowledge("slow", 1, now) is not None
    assert broadcast.plan(now).keyframe
    assert broadcast.deliver(True, BITS, now) == [("fast", 100), ("slow", 2)]
    assert broadcast.deliver(False, BITS, now) == [("fast", 101), ("slow", 3)]


def test_a_viewer_that_lost_its_chain_gets_no_keyframe_before_it_has_acknowledged_everything() -> None:
    broadcast = started("fast", "slow")
    broadcast.deliver(True, BITS, 0)
    broadcast.acknowledge("fast", 0, 0)
    broadcast.deliver(False, BITS, 0.1)
    broadcast.acknowledge("fast", 1, 0.1)
    broadcast.deliver(False, BITS, 0.2)
    broadcast.acknowledge("slow", 0, 1.0)
    assert not broadcast.plan(1.0).keyframe
    broadcast.acknowledge("slow", 1, 1.0)
    assert broadcast.plan(1.0).keyframe


def test_keyframes_on_demand_are_throttled_and_come_later_by_themselves() -> None:
    broadcast = started("a")
    broadcast.deliver(True, BITS, 0)
    broadcast.acknowledge("a", 0, 0)
    broadcast.ask_keyframe("a")
    plan = broadcast.plan(0.1)
    assert plan.frame
    assert not plan.keyframe
    assert plan.again_in is not None
    assert abs(plan.again_in - (KEYFRAME_INTERVAL - 0.1)) < 1e-9
    assert broadcast.plan(0.1 + plan.again_in).keyframe


def test_a_viewer_without_acknowledgements_counts_as_paused_until_the_next_one() -> None:
    broadcast = started("a")
    broadcast.deliver(True, BITS, 0)
    assert broadcast.plan(STALLED_SECONDS - 0.1).frame
    assert not broadcast.plan(STALLED_SECONDS).frame
    assert broadcast.stalled(STALLED_SECONDS) == ["a"]
    broadcast.acknowledge("a", 0, 100)
    assert broadcast.plan(100).frame


def test_hidden_viewers_get_nothing_and_begin_anew_with_a_keyframe() -> None:
    broadcast = started("a")
    broadcast.deliver(True, BITS, 0)
    broadcast.hide("a", True)
    assert not broadcast.plan(1).frame
    assert broadcast.deliver(False, BITS, 1) == []
    broadcast.hide("a", False)
    assert broadcast.plan(2).keyframe


def test_webrtc_needs_no_acknowledgements() -> None:
    broadcast: Broadcast[str] = Broadcast()
    broadcast.add("rtc", acknowledges=False)
    broadcast.deliver(True, BITS, 0)
    for step in range(1, 50):
        assert broadcast.plan(step).frame
        assert broadcast.deliver(False, BITS, step) == [("rtc", step)]


def test_an_acknowledgement_that_was_made_up_changes_nothing() -> None:
    broadcast = started("a")
    broadcast.deliver(True, BITS, 0)
    broadcast.deliver(False, BITS, 0)
    for made_up in (2, 99, 2**32 - 1):
        assert broadcast.acknowledge("a", made_up, 1) is None
    assert not broadcast.plan(1).frame
    assert broadcast.acknowledge("nobody", 0, 1) is None


def test_ids_go_on_when_a_sink_is_opened_again() -> None:
    broadcast = started("a")
    broadcast.deliver(True, BITS, 0)
    following = broadcast.remove("a")
    broadcast.add("a", acknowledges=True, first_id=following)
    assert broadcast.deliver(True, BITS, 1) == [("a", 1)]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["frame", "keyframe", "epoch", "ack", "late_ack", "hide", "show", "join", "leave", "ask"]),
        st.sampled_from(["a", "b", "c"]),
        st.floats(0, 2),
    ),
    max_size=200,
)


@given(STEPS)
def test_a_viewer_only_ever_gets_frames_that_it_can_decode_and_never_more_than_its_window(
    steps: list[tuple[str, str, float]],
) -> None:
    """Models each viewer's decoder: every delta that it gets must follow directly on a frame that it has."""
    broadcast: Broadcast[str] = Broadcast()
    now, frame_number = 0.0, 0
    epoch_broken = True
    has: dict[str, int] = {}  # the last frame's number that each viewer has
    outstanding: dict[str, list[int]] = {}
    for what, name, seconds in steps:
        now += seconds
        plan = broadcast.plan(now)
        if what in ("frame", "keyframe", "epoch"):
            if what == "epoch":
                broadcast.new_epoch()
                epoch_broken = True
            keyframe = what == "keyframe" or epoch_broken
            epoch_broken = False
            frame_number += 1
            for receiver, frame_id in broadcast.deliver(keyframe, BITS, now):
                assert keyframe or has.get(receiver) == frame_number - 1
                has[receiver] = frame_number
                outstanding[receiver].append(frame_id)
                assert len(outstanding[receiver]) <= LEAST_FRAMES
        elif what == "join" and name not in outstanding:
            broadcast.add(name, acknowledges=True)
            outstanding[name] = []
            has.pop(name, None)
            assert broadcast.plan(now).keyframe
        elif what == "leave":
            broadcast.remove(name)
            outstanding.pop(name, None)
        elif what == "ack" and outstanding.get(name):
            assert broadcast.acknowledge(name, outstanding[name].pop(0), now) is not None
        elif what == "late_ack" and outstanding.get(name):
            broadcast.acknowledge(name, outstanding[name][-1], now)
            outstanding[name] = []
        elif what in ("hide", "show") and name in outstanding:
            before = broadcast.plan(now)
            broadcast.hide(name, what == "hide")
            if before != broadcast.plan(now) or what == "hide":
                outstanding[name] = []
            else:
                outstanding[name] = outstanding[name][-LEAST_FRAMES:]
        elif what == "ask":
            broadcast.ask_keyframe(name)
        assert plan.frame or not plan.keyframe
        assert plan.again_in is None or plan.again_in > 0
