from streamspace_proxy.streamer.keymap import LOW, SpareKeycodes, runs

A, MUTE = (0x61, 0x41), (0x1008FF12,)


def cyrillic(number: int) -> tuple[int, ...]:
    return (0x1000430 + number,)


def keymap() -> dict[int, tuple[int, ...]]:
    """60 keys of a layout, 20 without meaning, 40 media keys."""
    return dict.fromkeys(range(8, 68), A) | dict.fromkeys(range(68, 88), ()) | dict.fromkeys(range(88, 128), MUTE)


def test_media_keys_become_room_and_the_layout_is_left_alone() -> None:
    spare = SpareKeycodes()
    spare.observe(keymap())
    assert sorted(spare.to_free([])) == list(range(88, 128))


def test_the_oldest_are_freed_when_room_gets_scarce_and_the_latest_stay() -> None:
    spare, mapping = SpareKeycodes(), keymap() | dict.fromkeys(range(88, 128), ())
    spare.observe(mapping)
    codes = list(range(127, 67, -1))
    for number, code in enumerate(codes):
        mapping[code] = cyrillic(number)
        spare.observe(mapping)
        freed = spare.to_free([])
        if number + 1 <= len(codes) - LOW:
            assert freed == []
        else:
            assert freed == codes[: len(freed)]
            assert 0 < len(freed) <= (number + 1) // 2
            break


def test_a_key_that_is_held_down_is_not_freed() -> None:
    spare, mapping = SpareKeycodes(), keymap() | dict.fromkeys(range(88, 128), ())
    spare.observe(mapping)
    mapping |= {code: cyrillic(code) for code in range(68, 128)}
    spare.observe(mapping)
    assert 68 in spare.to_free([])
    assert 68 not in spare.to_free([68])


def test_what_another_layout_gives_a_meaning_to_is_not_freed() -> None:
    spare, mapping = SpareKeycodes(), keymap() | dict.fromkeys(range(88, 128), ())
    spare.observe(mapping)
    mapping |= {code: (0x6C0 + code,) for code in range(8, 80)}  # the new layout uses 12 of the spare ones too
    spare.observe(mapping)
    mapping |= {code: cyrillic(code) for code in range(80, 128)}
    spare.observe(mapping)
    assert set(spare.to_free([])) <= set(range(80, 128))
    assert spare.to_free([])


def test_neighbours_are_changed_together() -> None:
    assert runs([5, 3, 4, 9, 11, 12]) == [(3, 3), (9, 1), (11, 2)]
    assert runs([]) == []
