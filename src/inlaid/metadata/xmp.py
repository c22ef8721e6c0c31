"""XMP packets as bytes: cut in two parts for JPEG, joined again, and cleared of properties about pictures that are not kept.

ISO 16684-1, and XMP specification part 3, "Storage in files", 1.1.3.1.  Damaged XML raises ValueError.
"""

from __future__ import annotations

from hashlib import md5
from xml.dom.minidom import Document, Element

from . import rdf

IDENTIFIER = b"http://ns.adobe.com/xap/1.0/\0"  # precedes a packet in a JPEG segment
_EXTENDED = ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP")
_POINTER_BYTES = 300  # more than `_point` adds
# Properties about further pictures in the file: by namespace, the beginnings of their names.
_FURTHER: dict[str, tuple[str, ...]] = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": ("",),
    "http://ns.apple.com/HDRGainMap/1.0/": ("",),
    "http://ns.google.com/photos/1.0/container/": ("Directory",),
    "http://ns.google.com/photos/1.0/camera/": ("MotionPhoto", "MicroVideo"),
}


def without_further_pictures(packet: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The packet without properties about a gain map, or about pictures and videos behind the first picture; and notes.

    A damaged packet that names them is empty.
    """
    if not any(space.encode() in packet for space in _FURTHER):
        return packet, ()
    try:
        document = rdf.parse(packet)
        found = [p for p in rdf.properties(document) if rdf.local_name(p).startswith(_FURTHER.get(p.namespaceURI or "", ()))]
        for each in found:
            rdf.remove(each)
        rdf.remove_unused_names(document, _FURTHER)
        left = rdf.text(document) if found else packet
    except ValueError as error:
        return b"", (f"the XMP names a gain map or further pictures, which are not kept; it is damaged and was left out: {error}",)
    return left, ("the gain map and further pictures in the file are not kept; their properties in the XMP were left out",) if found else ()


def split(packet: bytes, most: int) -> tuple[bytes, bytes]:
    """The packet in two: the main one, of at most `most` bytes, with the smaller properties, and the extended one with the others.

    The main one holds the `digest` of the extended one.
    """
    main, rest = rdf.parse(packet), rdf.parse(packet)
    pairs = sorted(zip(rdf.properties(main), rdf.properties(rest), strict=True), key=lambda pair: -rdf.size_bytes(pair[0]))
    size = len(rdf.text(main)) + _POINTER_BYTES
    for mine, theirs in pairs:
        if size > most:
            size -= rdf.size_bytes(mine)
            rdf.remove(mine)
        else:
            rdf.remove(theirs)
    root = rest.documentElement
    assert root is not None  # a tree with rdf:RDF has one
    extended = root.toxml().encode()
    _point(main, digest(extended))
    first = rdf.text(main)
    if len(first) > most:
        raise ValueError(f"{len(first)} bytes are left of it that cannot be divided")
    return first, extended


def digest(extended: bytes) -> str:
    """The name of an extended packet: its MD5 in 32 hexadecimal digits."""
    return md5(extended, usedforsecurity=False).hexdigest().upper()


def extension_of(packet: bytes) -> str | None:
    """The digest of the extended packet that this packet names, if any."""
    if _EXTENDED[1].encode() not in packet:
        return None
    named = _pointers(rdf.parse(packet))
    return rdf.value(named[0]) if named else None


def joined(packet: bytes, extended: bytes | None) -> bytes:
    """The main packet with the properties of the extended one, and without its name."""
    main = rdf.parse(packet)
    for each in _pointers(main):
        description = rdf.parent(each)
        rdf.remove(each)
        if description is not None and not rdf.properties_of(description):
            rdf.root(main).removeChild(description)
    if extended is not None:
        into = rdf.root(main)
        for description in rdf.descriptions(rdf.parse(extended)):
            copy = main.importNode(description, True)
            above = description.parentNode
            while isinstance(above, Element):  # namespaces declared above the description are declared in the copy
                for attribute in list(above.attributes.values()):
                    if attribute.namespaceURI == rdf.XMLNS and not copy.hasAttribute(attribute.name):
                        copy.setAttributeNS(rdf.XMLNS, attribute.name, attribute.value)
                above = above.parentNode
            into.appendChild(copy)
    return rdf.text(main)


def _pointers(document: Document) -> list[rdf.Property]:
    """The properties that name an extended packet."""
    return [p for p in rdf.properties(document) if (p.namespaceURI, rdf.local_name(p)) == _EXTENDED]


def _point(document: Document, name: str) -> None:
    """Adds a description that names the extended packet."""
    root = rdf.root(document)
    prefix = f"{root.prefix}:" if root.prefix else ""
    description = document.createElementNS(rdf.RDF, f"{prefix}Description")
    subject = next((d.getAttributeNS(rdf.RDF, "about") for d in rdf.descriptions(document)), "")
    if root.prefix:
        description.setAttributeNS(rdf.RDF, f"{prefix}about", subject)
    description.setAttributeNS(rdf.XMLNS, "xmlns:xmpNote", _EXTENDED[0])
    description.setAttributeNS(_EXTENDED[0], f"xmpNote:{_EXTENDED[1]}", name)
    root.appendChild(description)
