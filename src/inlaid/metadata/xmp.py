"""XMP packets as bytes: divided for JPEG's segments, put together again, and rid of claims about pictures that are gone.

XMP specification, parts 1 and 3 (ISO 16684-1; "Storage in files", 1.1.3.1).  Damaged XML raises ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import md5
from typing import Any
from xml.dom import minidom
from xml.dom.minidom import Attr, Document, Element

MAX_BYTES, MAX_NODES = 1 << 24, 60_000  # bound the memory: some copies of the bytes, and about 1 kB an element or attribute
MAX_DEPTH = 100  # minidom recurses
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_EXTENDED = ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP")
_POINTER_BYTES = 300  # what `_point` adds
# Namespaces whose properties tell of further pictures in the file, and the beginnings of their names.
_FURTHER: dict[str, tuple[str, ...]] = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": ("",),
    "http://ns.apple.com/HDRGainMap/1.0/": ("",),
    "http://ns.google.com/photos/1.0/container/": ("Directory",),
    "http://ns.google.com/photos/1.0/camera/": ("MotionPhoto", "MicroVideo"),
}


def without_further_pictures(packet: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The packet without the properties of a gain map, and of other pictures and videos behind the first; and notes.

    As it was if it has none; nothing if it has some, and is damaged.
    """
    if not any(space.encode() in packet for space in _FURTHER):
        return packet, ()
    try:
        document = _parse(packet)
        found = [p for p in _properties(document) if _local(p).startswith(_FURTHER.get(p.namespaceURI or "", ()))]
        for each in found:
            _remove(each)
        _forget(document, _FURTHER)
        left = _text(document) if found else packet
    except ValueError as error:
        return b"", (f"the XMP tells of a gain map or of further pictures, which are not kept; it is damaged and was left out: {error}",)
    return left, ("the gain map and further pictures in the file are not kept; what the XMP told of them was left out",) if found else ()


def split(packet: bytes, most: int) -> tuple[bytes, bytes]:
    """The packet in two: the main one, of at most `most` bytes, with the small properties, and the extended one with the others.

    The main one names the other by `digest`.
    """
    main, rest = _parse(packet), _parse(packet)
    pairs = sorted(zip(_properties(main), _properties(rest), strict=True), key=lambda pair: -_length(pair[0]))
    size = len(_text(main)) + _POINTER_BYTES
    for mine, theirs in pairs:
        if size > most:
            size -= _length(mine)
            _remove(mine)
        else:
            _remove(theirs)
    root = rest.documentElement
    assert root is not None  # or there were no properties
    extended = root.toxml().encode()
    _point(main, digest(extended))
    first = _text(main)
    if len(first) > most:
        raise ValueError(f"{len(first)} bytes are left of it that cannot be divided")
    return first, extended


def digest(extended: bytes) -> str:
    """What the main packet calls the extended one."""
    return md5(extended, usedforsecurity=False).hexdigest().upper()


def extension_of(packet: bytes) -> str | None:
    """The digest of the extended packet that this one names, if it does."""
    if _EXTENDED[1].encode() not in packet:
        return None
    named = [p for p in _properties(_parse(packet)) if (p.namespaceURI, _local(p)) == _EXTENDED]
    return _value(named[0]) if named else None


def joined(packet: bytes, extended: bytes | None) -> bytes:
    """The main packet with the properties of the extended one; without the extension's name."""
    main = _parse(packet)
    for each in [p for p in _properties(main) if (p.namespaceURI, _local(p)) == _EXTENDED]:
        description = each.ownerElement if isinstance(each, Attr) else each.parentNode
        _remove(each)
        if isinstance(description, Element) and not _properties_of(description):
            _rdf(main).removeChild(description)
    if extended is not None:
        into = _rdf(main)
        for description in _descriptions(_parse(extended)):
            copy = main.importNode(description, True)
            above = description.parentNode
            while isinstance(above, Element):  # names that hold there must hold here
                for attribute in list(above.attributes.values()):
                    if attribute.namespaceURI == _XMLNS and not copy.hasAttribute(attribute.name):
                        copy.setAttributeNS(_XMLNS, attribute.name, attribute.value)
                above = above.parentNode
            into.appendChild(copy)
    return _text(main)


# ------------------------------------------------------------------------------------------------ the tree

_Property = Attr | Element


def _parse(packet: bytes) -> Document:
    if len(packet) > MAX_BYTES:
        raise ValueError(f"{len(packet)} bytes, at most {MAX_BYTES} are read")
    if (nodes := packet.count(b"<") + packet.count(b"=")) > MAX_NODES:
        raise ValueError(f"about {nodes} elements and attributes, at most {MAX_NODES} are read")
    if b"<!" in packet.replace(b"<!--", b"").replace(b"<![CDATA[", b""):  # XMP has no document type; entities can be hostile
        raise ValueError("it declares a document type")
    try:
        document = minidom.parseString(packet.strip(b"\0 \t\r\n"))
    except Exception as error:  # of many kinds
        raise ValueError(f"it is no XML ({error})") from None
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in node.childNodes]
    if level:
        raise ValueError(f"its elements are nested more than {MAX_DEPTH} deep")
    return document


def _rdf(document: Document) -> Element:
    found = document.getElementsByTagNameNS(_RDF, "RDF")
    if not found:
        raise ValueError("it has no rdf:RDF")
    return found[0]


def _descriptions(document: Document) -> list[Element]:
    """The elements that hold the properties."""
    return [e for e in _elements(_rdf(document)) if (e.namespaceURI, e.localName) == (_RDF, "Description")]


def _properties(document: Document) -> list[_Property]:
    """All properties, attributes and elements."""
    return [each for description in _descriptions(document) for each in _properties_of(description)]


def _properties_of(description: Element) -> list[_Property]:
    attributes = list(description.attributes.values())
    named = [a for a in attributes if a.namespaceURI and a.namespaceURI not in (_RDF, _XMLNS)]
    return [*named, *_elements(description)]


def _elements(parent: Element) -> Iterator[Element]:
    return (node for node in parent.childNodes if isinstance(node, Element))


def _local(node: _Property) -> str:
    return node.localName or ""


def _value(node: _Property) -> str:
    return node.value if isinstance(node, Attr) else "".join(child.toxml() for child in node.childNodes).strip()


def _length(node: _Property) -> int:
    """Of it written, bytes."""
    return len(f' {node.name}="{node.value}"'.encode()) if isinstance(node, Attr) else len(node.toxml().encode())


def _remove(node: _Property) -> None:
    if isinstance(node, Attr):
        if node.ownerElement is not None:
            node.ownerElement.removeAttributeNode(node)
    elif node.parentNode is not None:
        node.parentNode.removeChild(node)


def _forget(document: Document, spaces: Iterable[str]) -> None:
    """Takes away the declarations of those of these namespaces, and of namespaces within them, that nothing is named by."""
    everything = [(e, list(e.attributes.values())) for e in document.getElementsByTagName("*")]
    used = {node.namespaceURI for element, attributes in everything for node in (element, *attributes)}
    for element, attributes in everything:
        for each in attributes:
            if each.namespaceURI == _XMLNS and each.value not in used and each.value.startswith(tuple(spaces)):
                element.removeAttributeNode(each)


def _point(document: Document, name: str) -> None:
    """Adds to the packet the name of its extension."""
    rdf = _rdf(document)
    prefix = f"{rdf.prefix}:" if rdf.prefix else ""
    description = document.createElementNS(_RDF, f"{prefix}Description")
    about = next((d.getAttributeNS(_RDF, "about") for d in _descriptions(document)), "")
    if rdf.prefix:
        description.setAttributeNS(_RDF, f"{prefix}about", about)
    description.setAttributeNS(_XMLNS, "xmlns:xmpNote", _EXTENDED[0])
    description.setAttributeNS(_EXTENDED[0], f"xmpNote:{_EXTENDED[1]}", name)
    rdf.appendChild(description)


def _text(document: Document) -> bytes:
    """The packet, without the XML declaration that minidom would write."""
    return "".join(node.toxml() for node in document.childNodes).encode()
