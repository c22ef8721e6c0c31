"""EXIF blocks of every shape, made tag by tag."""

import struct

from inlaid.metadata import tags

DIRECTORIES = ("IFD0", "Exif", "GPS", "Interop", "IFD1")
POINTERS = {"Exif": ("IFD0", 0x8769), "GPS": ("IFD0", 0x8825), "Interop": ("Exif", 0xA005)}
TYPES = [*range(21), 65535]


def camera(order, turn=6):
    """The tags of a camera: (tag, type, count, value) by directory."""
    return {
        "IFD0": [(0x010F, 2, 6, b"Maker\0"), (0x0112, 3, 1, struct.pack(order + "H", turn)),
                 (0x011A, 5, 1, struct.pack(order + "II", 300, 1)),
                 (0x011B, 5, 1, struct.pack(order + "II", 300, 1)), (0x0128, 3, 1, struct.pack(order + "H", 2))],
        "Exif": [(0x829A, 5, 1, struct.pack(order + "II", 1, 250)), (0x9003, 2, 20, b"2024:01:02 03:04:05\0"),
                 (0x9204, 10, 1, struct.pack(order + "ii", 0, 1)), (0x927C, 7, 20, b"note: see byte 0x20\0"),
                 (0xA432, 5, 4, struct.pack(order + "8I", 24, 1, 70, 1, 0, 0, 0, 0)), (0xA434, 2, 8, b"RF24-70\0")],
        "GPS": [(1, 2, 2, b"N\0"), (2, 5, 3, struct.pack(order + "6I", 48, 1, 8, 1, 15, 1))],
        "Interop": [(1, 2, 4, b"R98\0")],
        "IFD1": [(0x0103, 3, 1, struct.pack(order + "H", 6))],
    }  # fmt: skip


def block(order="<", rows_of=None, *, prefix=b"Exif\0\0"):
    """The bytes of an EXIF block: these directories one after another, then the values that do not fit in an entry."""
    rows_of = rows_of or camera(order)
    rows = {name: list(rows_of[name]) for name in DIRECTORIES}
    for child, (parent, tag) in POINTERS.items():
        if not any(row[0] == tag for row in rows[parent]):
            rows[parent].append((tag, 4, 1, child))
    places, at = {}, 8
    for name in DIRECTORIES:
        places[name] = at
        at += 6 + 12 * len(rows[name])
    data, values = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8), b""
    for name in DIRECTORIES:
        data += struct.pack(order + "H", len(rows[name]))
        for tag, kind, count, value in sorted(rows[name]):
            value = struct.pack(order + "I", places[value]) if isinstance(value, str) else value
            data += struct.pack(order + "HHI", tag, kind, count)
            data += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "I", at + len(values))
            values += value + b"\0" * (len(value) % 2) if len(value) > 4 else b""
        data += struct.pack(order + "I", places["IFD1"] if name == "IFD0" else 0)
    return prefix + data + values


def with_odd_tag(order, where, tag, kind, count, value, turn=6):
    rows_of = camera(order, turn)
    rows_of[where] = [row for row in rows_of[where] if row[0] != tag] + [(tag, kind, count, value)]
    return block(order, rows_of)


def values(data):
    """{(directory, tag): (type, bytes)} of a block."""
    parsed = tags.parse(data)
    return {
        (name, tag.number): (tag.type, parsed.data[tag.place : tag.place + tag.size])
        for name, each in parsed.directories.items()
        for tag in each.tags
    }
