"""From the components of a JP2 file to its colours: palette, channel definitions, colour space (ISO/IEC 15444-1, I.5.3).

Pillow ignores channel definitions, and palettes that are not of 8 bits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from ... import colour
from ...arrays import Integers, Pixels
from ...errors import FormatError, UnsupportedError
from ..base import bands, rows
from .header import CMYK, COLOUR, GRAY, OPACITY, PREMULTIPLIED, SRGB, SYCC, Definition, Header, space_name

_COLOURS: dict[int | str, int] = {CMYK: 4, SRGB: 3, GRAY: 1, SYCC: 3, "CMYK": 4, "RGB ": 3, "GRAY": 1}  # of the spaces that are shown
_ANY = 65535  # of types and associations: nothing is said
_MAX_CHANNELS, _MAX_BITS = 5, 38  # of a palette: as many as are shown, as many as the standard has
Table = NDArray[np.uint8]


class Picture(NamedTuple):
    """The colours, in L, RGB or CMYK; how much of them is seen, in L, if not all is; whether they are multiplied by that already."""

    colours: Image.Image
    opacity: Image.Image | None
    premultiplied: bool

    def on_white(self) -> Image.Image:
        """L or RGB, as a viewer with a white background shows it."""
        colours = self.colours.convert("RGB") if self.colours.mode == "CMYK" else self.colours
        if self.opacity is None:
            return colours
        if self.premultiplied:
            rest = ImageChops.invert(self.opacity)
            return ImageChops.add(colours, Image.merge(colours.mode, [rest] * len(colours.getbands())))
        white = Image.new(colours.mode, colours.size, "white")
        white.paste(colours, mask=self.opacity)
        return white

    def whole(self) -> Image.Image:
        """L, LA, RGB, RGBA or CMYK."""
        if self.opacity is None:
            return self.colours
        colours = self.colours.convert("RGB") if self.colours.mode == "CMYK" else self.colours
        if self.premultiplied:
            return Image.merge(colours.mode + "a", [*colours.split(), self.opacity]).convert(colours.mode + "A")
        return Image.merge(colours.mode + "A", [*colours.split(), self.opacity])


def check(header: Header) -> None:
    """UnsupportedError for components that Pillow cannot decode, or decodes wrong."""
    count, bits = len(header.depths), max(map(_bits, header.depths))
    if count > 4:
        raise _unknown(f"{count} components; expected at most 4")
    if bits > (16 if count == 1 else 8):  # Pillow cuts these to 8 bits and makes white black
        raise _unknown(f"{count} component{'s' * (count > 1)} of {bits} bits; expected at most 8, or 16 of a single one")
    if header.subsampled and (count < 3 or not header.aligned):  # OpenJPEG shears these
        raise _unknown("subsampled components on a grid that does not fit the picture or its tiles")


def picture(image: Image.Image, header: Header) -> Picture:
    """What the boxes make of the components, which `image` holds as Pillow decodes them: in L, I;16, LA, RGB or RGBA.

    UnsupportedError, with what was found, where the colours are not known; FormatError where boxes contradict themselves.
    """
    space = next((each for each in header.spaces if each != ""), None)
    if space is None and header.subsampled:
        space = SYCC  # as OpenJPEG guesses
    channels = _palette(header) if header.palette else [(k, _scaled(_levels(depth), _bits(depth))) for k, depth in enumerate(header.depths)]
    order, opacity = _roles(header, len(channels), space)
    premultiplied = opacity is not None and opacity.kind == PREMULTIPLIED
    if premultiplied and space in (SYCC, CMYK, "CMYK"):
        raise _unknown("colours other than RGB and gray that are multiplied by their opacity")
    alpha = None if opacity is None else _plane(image, *channels[opacity.channel])
    colours, mode = image, {1: "L", 3: "RGB", 4: "CMYK"}[len(order)]
    if image.mode != mode or not all(channels[k][0] == n and _is_plain(channels[k][1]) for n, k in enumerate(order)):
        colours = Image.merge(mode, [_plane(image, *channels[k]) for k in order])
    if space == SYCC and mode == "RGB":
        for top, bottom in bands(colours.height, colours.width):
            planes = rows(colours, top, bottom)
            colours.paste(Image.fromarray(colour.rgb(planes[..., 0], planes)), (0, top))
    return Picture(colours, alpha, premultiplied)


def _roles(header: Header, count: int, space: int | str | None) -> tuple[list[int], Definition | None]:
    """Of `count` channels those of the colours, in order, and that of the opacity, if there is one."""
    if space is not None and space not in _COLOURS:
        raise _unknown(space_name(space))
    usual = 3 if space is None else _COLOURS[space]
    colours: dict[int, int] = {}
    opacities: set[Definition] = set()
    for each in header.definitions if header.channels else _undefined(count, usual if count > 2 else 1):
        if each.channel >= count:
            raise FormatError(f"the JP2 file defines channel {each.channel}; expected 0 to {count - 1}")
        if each.kind == COLOUR:
            place = each.channel if each.colour in (0, _ANY) else each.colour - 1
            if colours.setdefault(place, each.channel) != each.channel:
                raise FormatError(f"the JP2 file defines channels {colours[place]} and {each.channel} as colour {place + 1}")
        elif each.kind in (OPACITY, PREMULTIPLIED) and each.colour != _ANY:
            opacities.add(each)
    number = len(colours)
    if sorted(colours) != list(range(number)) or number not in (1, usual) or len(opacities) > 1:
        what = "" if space is None else f" in {space_name(space)}"
        raise _unknown(f"{count} channels{what}, of which {number} are colours and {len(opacities)} opacities")
    opacity = next(iter(opacities), None)
    if opacity is not None and opacity.colour > (number == 1):
        raise _unknown(f"an opacity of colour {opacity.colour} alone")
    return [colours[k] for k in range(number)], opacity


def _undefined(count: int, colours: int) -> Iterator[Definition]:
    """Channels of which the file says nothing: what follows the colours is taken for their opacity, as viewers do."""
    return (Definition(k, COLOUR, k + 1) if k < colours else Definition(k, OPACITY, 0) for k in range(count))


def _palette(header: Header) -> list[tuple[int, Table]]:
    """Of each channel the component that it comes from, and what becomes of its values."""
    try:
        entries, columns = struct.unpack_from(">HB", header.palette)
        depths = header.palette[3 : 3 + columns]
        ends = np.cumsum([0, *((_bits(depth) + 7) // 8 for depth in depths)])
        rows = np.frombuffer(header.palette, np.uint8, entries * int(ends[-1]), 3 + columns).reshape(entries, -1)
        mapping = list(struct.iter_unpack(">HBB", header.mapping))
        if not mapping or len(mapping) > _MAX_CHANNELS:
            raise FormatError(f"the JP2 file's palette makes {len(mapping)} channels; expected 1 to {_MAX_CHANNELS}")
        channels = []
        for component, use, column in mapping:
            levels = _levels(header.depths[component])
            if use == 0:
                channels.append((component, _scaled(levels, _bits(header.depths[component]))))
                continue
            if (header.depths[component] | depths[column]) & 0x80:
                raise _unknown("a palette with signed values")
            if _bits(depths[column]) > _MAX_BITS:
                raise FormatError(f"the JP2 file's palette has values of {_bits(depths[column])} bits; expected at most {_MAX_BITS}")
            values = np.zeros(entries, np.int64)
            for k in range(ends[column], ends[column + 1]):
                values = values << 8 | rows[:, k]
            channels.append((component, _scaled(values[np.minimum(levels, entries - 1)], _bits(depths[column]))))
        return channels
    except (struct.error, ValueError, IndexError) as error:
        raise FormatError("the JP2 file's palette is damaged") from error


def _bits(depth: int) -> int:
    return (depth & 0x7F) + 1


def _levels(depth: int) -> Integers:
    """What Pillow's values stand for: it shifts those of up to 8 bits to 8, of more to 16, and makes signed ones begin at 0."""
    held = 8 if _bits(depth) <= 8 else 16
    return np.arange(1 << held) >> (held - _bits(depth))


def _scaled(levels: Integers, bits: int) -> Table:
    """Levels of so many bits as 8 bits, rounded."""
    most = (1 << bits) - 1
    return ((levels * 510 + most) // (2 * most)).astype(np.uint8)


def _is_plain(table: Table) -> bool:
    return len(table) == 256 and bool((table == np.arange(256)).all())


def _plane(image: Image.Image, component: int, table: Table) -> Image.Image:
    """A component with its values replaced, in L."""
    source = image.getchannel(component) if len(image.getbands()) > 1 else image
    if source.mode == "L":
        return source if _is_plain(table) else source.point(table.tolist())
    out: Pixels = np.empty((image.height, image.width), np.uint8)
    for top, bottom in bands(image.height, image.width):
        out[top:bottom] = table[np.asarray(source.crop((0, top, image.width, bottom)))]
    return Image.fromarray(out)


def _unknown(what: str) -> UnsupportedError:
    return UnsupportedError(f"cannot show this JPEG 2000 file: {what}")
