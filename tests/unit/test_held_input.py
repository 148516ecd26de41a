from streamspace_proxy.streamer.input import HeldInput, Lift


def test_lifts_every_held_key_newest_first_and_then_the_buttons() -> None:
    held = HeldInput()
    held.key(0xFFE3, True)
    held.key(0x61, True)
    held.pointer(1 | 4)
    assert list(held.release()) == [Lift(0x61), Lift(0xFFE3), Lift(None)]


def test_what_was_released_is_not_lifted_again() -> None:
    held = HeldInput()
    held.key(0x61, True)
    held.key(0x61, False)
    held.key(0x62, False)
    held.pointer(1)
    held.pointer(0)
    assert list(held.release()) == []


def test_releasing_twice_lifts_once() -> None:
    held = HeldInput()
    held.key(0x61, True)
    assert list(held.release()) == [Lift(0x61)]
    assert list(held.release()) == []


def test_autorepeat_is_one_key() -> None:
    held = HeldInput()
    for _ in range(5):
        held.key(0x61, True)
    assert list(held.release()) == [Lift(0x61)]
