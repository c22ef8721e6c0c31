"""The formats as the battery sees them: container and codec of each by name, all their functions, and sample files."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

from inlaid.errors import InlayError
from inlaid.formats import all_formats

from . import jp2_files, jpeg_files

FORMATS = {each.name: each for each in all_formats()}
CONTAINERS = {name: each.container for name, each in FORMATS.items()}
CODECS = {name: each.codec for name, each in FORMATS.items()}
PAYLOAD = jpeg_files.PAYLOAD
DECODERS = ("decode", "decode_luma", "decode_image", "decode_original")


class Samples(NamedTuple):
    """Files of one format.

    files: functions that make each kind of file that takes a payload.  `whole` names those that can be decoded.
    refused: (what `obstacle` says, file) of what cannot be restored.
    small: files of few bytes, with metadata, to be damaged.
    claiming: (file, width, height) -> the file with this size in its header.
    """

    files: dict[str, Callable[[], bytes]]
    whole: list[str]
    refused: list[tuple[str, bytes]]
    small: list[bytes]
    claiming: Callable[[bytes, int, int], bytes]


SAMPLES = {
    "jpeg": Samples(
        jpeg_files.VARIANTS,
        list(jpeg_files.VARIANTS),
        jpeg_files.OBSTACLES,
        jpeg_files.SMALL_FILES,
        jpeg_files.claiming,
    ),
    "jpeg2000": Samples(
        {name: lambda data=data: data for name, data in jp2_files.FILES.items()},
        [name for name in jp2_files.FILES if name != "cut off"],
        list(jp2_files.OBSTACLES.items()),
        jp2_files.SMALL_FILES,
        jp2_files.claiming,
    ),
}


def functions(name):
    """Every function of the format that takes a file, by name; each is called with the file alone."""
    container, codec = CONTAINERS[name], CODECS[name]
    return {
        **{each: getattr(container, each) for each in ("detect", "obstacle", "extract", "strip", "metadata", "describe")},
        **{each: getattr(codec, each) for each in (*DECODERS, "decoding_bytes")},
        "embed": lambda data: container.embed(data, PAYLOAD),
        "encoded_like": lambda data: codec.encoded_like(data, jpeg_files.SMALL_PICTURE, 1.3),
    }


def failures(name, data):
    """The names of the functions that refuse the file.  Each returns, or raises an InlayError with a message; none warns."""
    failed = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for each, function in functions(name).items():
            try:
                function(data)
            except InlayError as error:
                assert str(error)
                failed.add(each)
    return failed
