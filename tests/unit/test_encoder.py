"""Pixels in, H.264 out: what a browser's decoder relies on."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest
from streamspace_proxy.streamer import colour
from streamspace_proxy.streamer.encoder import SNAP, Picture
from streamspace_proxy.streamer.h264 import FfmpegH264Encoder, H264Encoder, codec_string, level_for
from streamspace_proxy.streamer.rect import Rect

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
SPS, PPS, IDR = 7, 8, 5


def noise(width: int, height: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 4), dtype=np.uint8)


def units(data: bytes) -> list[bytes]:
    """The NAL units of an Annex B access unit."""
    return [unit for unit in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]


def kinds(data: bytes) -> set[int]:
    return {unit[0] & 31 for unit in units(data)}


def whole(picture: Picture) -> Rect:
    return Rect(0, 0, picture.width, picture.height)


def encoded(width: int, height: int, fps: int = 60, bitrate: int = 8_000_000) -> tuple[Picture, H264Encoder]:
    picture = Picture(width, height)
    picture.update(noise(width, height), whole(picture))
    return picture, H264Encoder(picture.width, picture.height, fps, bitrate)


@pytest.mark.parametrize(
    ("width", "height", "fps", "level", "codec"),
    [
        (1280, 720, 60, 40, "avc1.42e028"),
        (1920, 1080, 30, 40, "avc1.42e028"),
        (1920, 1080, 60, 42, "avc1.42e02a"),
        (2560, 1440, 60, 51, "avc1.42e033"),
        (3840, 2160, 30, 51, "avc1.42e033"),
        (3840, 2160, 60, 52, "avc1.42e034"),
        (7680, 4320, 60, 61, "avc1.42e03d"),
    ],
)
def test_the_level_is_the_lowest_that_allows_size_and_rate(
    width: int, height: int, fps: int, level: int, codec: str
) -> None:
    assert level_for(width, height, fps) == level
    assert codec_string(level) == codec


def test_keyframes_stand_alone_and_come_only_when_asked_for() -> None:
    picture, encoder = encoded(320, 200)
    wanted = [False, False, False, True, False] + [False] * 400
    frames = [encoder.encode(picture, keyframe, whole(picture)) for keyframe in wanted]
    assert [frame.keyframe for frame in frames[:5]] == [True, False, False, True, False]
    assert not any(frame.keyframe for frame in frames[5:])
    for frame in frames:
        assert ({SPS, PPS, IDR} <= kinds(frame.data)) is frame.keyframe
        assert frame.data.startswith((b"\0\0\1", b"\0\0\0\1"))


@pytest.mark.parametrize(("width", "height", "fps"), [(640, 480, 60), (1920, 1080, 60)])
def test_the_stream_is_what_its_codec_string_says(width: int, height: int, fps: int) -> None:
    picture, encoder = encoded(width, height, fps)
    sps = next(unit for unit in units(encoder.encode(picture, True, whole(picture)).data) if unit[0] & 31 == SPS)
    profile, constraints, level = sps[1:4]
    assert profile == 66
    assert constraints & 0b0100_0000, "constraint_set1: Constrained Baseline"
    assert encoder.codec == f"avc1.42e0{level:02x}"


def test_every_picture_comes_out_at_once_and_decodes() -> None:
    picture, encoder = encoded(321, 201)
    decoder = av.CodecContext.create("h264", "r")
    for _ in range(5):
        frames = decoder.decode(av.Packet(encoder.encode(picture, False, whole(picture)).data))
        assert len(frames) == 1, "no reordering, no delay"
        assert (frames[0].width, frames[0].height) == (320, 200)
        assert (frames[0].colorspace, frames[0].color_range) == (colour.MATRIX, 1)


CONVERTERS = pytest.mark.parametrize("convert", [colour.with_libyuv, colour.make_swscale()], ids=["libyuv", "swscale"])


@pytest.fixture(autouse=True)
def _libyuv_is_here(request: pytest.FixtureRequest) -> None:
    if request.node.name.endswith("[libyuv]") and colour.make_converter() is not colour.with_libyuv:
        pytest.skip("libyuv0 is not installed")


@CONVERTERS
def test_converting_what_changed_gives_what_converting_everything_gives(convert: colour.Converter) -> None:
    before, after = noise(641, 481, 1), noise(641, 481, 1)
    after[100:211, 50:303] = noise(253, 111, 2)
    part, full = Picture(641, 481, convert), Picture(641, 481, convert)
    part.update(before, Rect(0, 0, 641, 481))
    part.update(after, Rect(50, 100, 303, 211))
    full.update(after, Rect(0, 0, 641, 481))
    one, other = part.frame().to_ndarray().astype(int), full.frame().to_ndarray().astype(int)
    assert np.abs(one - other).max() <= 1


@CONVERTERS
def test_nothing_but_what_changed_is_converted(convert: colour.Converter) -> None:
    before, after = noise(641, 481, 1), noise(641, 481, 3)
    part, other = Picture(641, 481, convert), Picture(641, 481, convert)
    part.update(before, Rect(0, 0, 641, 481))
    rect = part.update(after, Rect(50, 100, 303, 211))
    assert 50 - SNAP < rect.left <= 50
    assert 100 - SNAP < rect.top <= 100
    assert 303 <= rect.right < 303 + SNAP
    assert 211 <= rect.bottom < 211 + SNAP
    expected = before.copy()
    expected[rect.top : rect.bottom, rect.left : rect.right] = after[rect.top : rect.bottom, rect.left : rect.right]
    other.update(expected, Rect(0, 0, 641, 481))
    one, two = part.frame().to_ndarray().astype(int), other.frame().to_ndarray().astype(int)
    assert np.abs(one - two).max() <= 1, "pixels beside the rectangle were taken over"


@CONVERTERS
@pytest.mark.parametrize(
    ("bgr", "yuv"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((0, 0, 255), (82, 90, 240)),
        ((0, 255, 0), (145, 54, 34)),
        ((255, 0, 0), (41, 240, 110)),
    ],
)
def test_colours_are_bt601_limited_range(
    convert: colour.Converter, bgr: tuple[int, int, int], yuv: tuple[int, int, int]
) -> None:
    picture = Picture(64, 64, convert)
    picture.update(np.full((64, 64, 4), (*bgr, 0), np.uint8), Rect(0, 0, 64, 64))
    planes = picture.frame().to_ndarray().reshape(-1)
    means = [planes[:4096].mean(), planes[4096:5120].mean(), planes[5120:].mean()]
    assert np.abs(np.array(means) - yuv).max() <= 1.5


@pytest.mark.parametrize("make", [H264Encoder, FfmpegH264Encoder])
def test_the_ceiling_can_be_lowered_and_raised_without_a_keyframe(make: Any) -> None:
    picture, now = Picture(640, 480), 0.0
    clock = {"clock": lambda: now} if make is H264Encoder else {}
    encoder = make(640, 480, 60, 8_000_000, **clock)
    texture = smooth_noise(900)

    def megabits(bitrate: int) -> float:
        nonlocal now
        encoder.set_rate(bitrate, 60)
        sizes: list[int] = []
        half = now
        for step in range(60):
            part = (texture[::-1] if step % 2 else texture)[5 * step : 5 * step + 480, 4 * step : 4 * step + 640]
            picture.update(np.repeat(part[:, :, None], 4, axis=2), whole(picture))
            frame = encoder.encode(picture, False, whole(picture))
            assert not frame.keyframe or first is None
            sizes.append(len(frame.data))
            half = now if step == 29 else half
            now += max(1 / 60, frame.pause)
        return 8 * sum(sizes[30:]) / (now - half) / 1e6

    first: float | None = None
    first = megabits(4_000_000)
    low, again = megabits(500_000), megabits(4_000_000)
    assert 2.5 < first < 4.5
    assert low < 0.65
    assert again > 2.5


def smooth_noise(size: int) -> Pixels:
    """A texture that costs bits at every quality, unlike noise, which has a floor of its own."""
    noise = np.random.default_rng(0).normal(size=(size, size))
    down, across = np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :]
    texture = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-400 * (down**2 + across**2))).real
    pixels: Pixels = np.clip(127 + 60 * texture / texture.std(), 0, 255).astype(np.uint8)
    return pixels


@pytest.mark.parametrize(("width", "height"), [(950, 678), (948, 676), (1366, 768), (333, 247)])
def test_every_size_decodes_to_its_own_colours(width: int, height: int) -> None:
    """Heights that are no multiple of four once had their colours shifted."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[:, :, :3] = (200, 60, 20)
    pixels[: height // 2, : width // 2, :3] = (20, 60, 200)
    picture = Picture(width, height)
    picture.update(pixels, whole(picture))
    encoder = H264Encoder(picture.width, picture.height, 60, 8_000_000)
    packet = av.Packet(encoder.encode(picture, True, whole(picture)).data)
    shown = next(iter(av.CodecContext.create("h264", "r").decode(packet))).to_ndarray(format="bgr24")
    assert shown.shape == (picture.height, picture.width, 3)
    difference = np.abs(shown.astype(int) - pixels[: picture.height, : picture.width, :3])
    edges = np.ones(difference.shape[:2], bool)
    edges[height // 2 - 8 : height // 2 + 8, :] = edges[:, width // 2 - 8 : width // 2 + 8] = False
    assert difference[edges].max() < 24
