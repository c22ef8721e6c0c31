"""The tree of an XMP packet (ISO 16684-1), by minidom.  Its properties are attributes and elements of descriptions:

    <x:xmpmeta>
      <rdf:RDF>
        <rdf:Description xmp:Rating="4">
          <dc:creator> ... </dc:creator>

Damaged XML raises ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from xml.dom import minidom
from xml.dom.minidom import Attr, Document, Element

MAX_BYTES, MAX_NODES = 1 << 24, 60_000  # limit the memory: a few copies of the bytes, and about 1 kB an element or attribute
MAX_DEPTH = 100  # minidom recurses
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMLNS = "http://www.w3.org/2000/xmlns/"
Property = Attr | Element


def parse(packet: bytes) -> Document:
    """The tree; ValueError for what is no XML, too large, or hostile."""
    if len(packet) > MAX_BYTES:
        raise ValueError(f"{len(packet)} bytes, at most {MAX_BYTES} are read")
    if (nodes := packet.count(b"<") + packet.count(b"=")) > MAX_NODES:
        raise ValueError(f"about {nodes} elements and attributes, at most {MAX_NODES} are read")
    if b"<!" in packet.replace(b"<!--", b"").replace(b"<![CDATA[", b""):  # XMP has no document type, and its entities can be hostile
        raise ValueError("it declares a document type")
    try:
        document = minidom.parseString(packet.strip(b"\0 \t\r\n"))
    except Exception as error:  # minidom raises errors of many types
        raise ValueError(f"it is no XML ({error})") from None
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in node.childNodes]
    if level:
        raise ValueError(f"its elements are nested more than {MAX_DEPTH} deep")
    return document


def text(document: Document) -> bytes:
    """The packet's bytes, without the XML declaration that minidom would write."""
    return "".join(node.toxml() for node in document.childNodes).encode()


def root(document: Document) -> Element:
    """The element rdf:RDF; ValueError if there is none."""
    found = document.getElementsByTagNameNS(RDF, "RDF")
    if not found:
        raise ValueError("it has no rdf:RDF")
    return found[0]


def descriptions(document: Document) -> list[Element]:
    """The elements that hold the properties."""
    return [e for e in _elements(root(document)) if (e.namespaceURI, e.localName) == (RDF, "Description")]


def properties(document: Document) -> list[Property]:
    """The properties of all descriptions."""
    return [each for description in descriptions(document) for each in properties_of(description)]


def properties_of(description: Element) -> list[Property]:
    """The properties of one description."""
    attributes = list(description.attributes.values())
    named = [a for a in attributes if a.namespaceURI and a.namespaceURI not in (RDF, XMLNS)]
    return [*named, *_elements(description)]


def _elements(parent: Element) -> Iterator[Element]:
    return (node for node in parent.childNodes if isinstance(node, Element))


def local_name(node: Property) -> str:
    """Its name without the prefix."""
    return node.localName or ""


def value(node: Property) -> str:
    """Its value as text."""
    return node.value if isinstance(node, Attr) else "".join(child.toxml() for child in node.childNodes).strip()


def size_bytes(node: Property) -> int:
    """The bytes that it takes in the packet."""
    return len(f' {node.name}="{node.value}"'.encode()) if isinstance(node, Attr) else len(node.toxml().encode())


def parent(node: Property) -> Element | None:
    """The description that holds it."""
    above = node.ownerElement if isinstance(node, Attr) else node.parentNode
    return above if isinstance(above, Element) else None


def remove(node: Property) -> None:
    """Removes a property from its description."""
    if (above := parent(node)) is None:
        return
    if isinstance(node, Attr):
        above.removeAttributeNode(node)
    else:
        above.removeChild(node)


def remove_unused_names(document: Document, spaces: Iterable[str]) -> None:
    """Removes the declarations of namespaces that begin with one of `spaces` and that nothing uses."""
    everything = [(e, list(e.attributes.values())) for e in document.getElementsByTagName("*")]
    used = {node.namespaceURI for element, attributes in everything for node in (element, *attributes)}
    for element, attributes in everything:
        for each in attributes:
            if each.namespaceURI == XMLNS and each.value not in used and each.value.startswith(tuple(spaces)):
                element.removeAttributeNode(each)
