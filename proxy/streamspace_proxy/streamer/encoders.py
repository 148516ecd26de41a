"""Which encoder stands for a codec. Importing this module imports FFmpeg, which takes a while."""

from __future__ import annotations

from streamspace_proxy.streamer import colour
from streamspace_proxy.streamer.capture import Codec, Quality
from streamspace_proxy.streamer.encoder import Encoder, Picture
from streamspace_proxy.streamer.h264 import make_h264
from streamspace_proxy.streamer.jpeg import JpegEncoder
from streamspace_proxy.streamer.vp8 import Vp8Encoder


def make_picture(codec: Codec, width: int, height: int, scale: float) -> Picture:
    """Return the picture that `codec` encodes, of a screen of width x height."""
    return Picture(width, height, colour.make_converter(full_range=codec == "jpeg"), scale)


def make_encoder(codec: Codec, picture: Picture, most: Quality) -> Encoder:
    """Return an encoder for pictures of this size; `most`: the highest rates that it is to be asked for."""
    made: Encoder
    if codec == "h264":
        made = make_h264(picture.width, picture.height, most.fps, most.bitrate)
    elif codec == "vp8":
        made = Vp8Encoder(picture.width, picture.height, most.fps, most.bitrate)
    else:
        made = JpegEncoder(picture.width, picture.height, most.fps, most.bitrate)
    return made
