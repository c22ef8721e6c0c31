"""XMP packets: references to pictures that are left out, and packets in two parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pictures import textured

from inlaid.formats import jp2, jpeg
from inlaid.metadata import rdf, xmp

NAMES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" '
    'xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:Item="http://ns.google.com/photos/1.0/container/item/" '
    'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
)
DIRECTORY = (
    '<Container:Directory><rdf:Seq><rdf:li><Container:Item Item:Semantic="Primary"/></rdf:li>'
    '<rdf:li><Container:Item Item:Semantic="GainMap" Item:Length="1234"/></rdf:li></rdf:Seq></Container:Directory>'
)


def packet(attributes="", elements="", wrapped=True):
    text = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {NAMES}><rdf:Description rdf:about="" {attributes}>{elements}</rdf:Description>'
    text += "</rdf:RDF></x:xmpmeta>"
    if wrapped:
        text = f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{text}{" " * 100}<?xpacket end="w"?>'
    return text.encode()


CLAIMS = {
    "attribute": packet('hdrgm:Version="1.0" xmp:Rating="4"'),
    "element": packet(elements="<hdrgm:GainMapMax>2</hdrgm:GainMapMax><xmp:Rating>4</xmp:Rating>"),
    "directory": packet('hdrgm:Version="1.0"', DIRECTORY + "<xmp:Rating>4</xmp:Rating>", wrapped=False),
    "motion photo": packet('GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="99" GCamera:BurstID="b" xmp:Rating="4"', DIRECTORY),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_about_further_pictures_are_dropped(name):
    left, notes = xmp.without_further_pictures(CLAIMS[name])
    assert notes == ("the gain map and further pictures in the file are not kept; their properties in the XMP were left out",)
    for word in (b"hdrgm", b"Container", b"Item", b"gain-map", b"MotionPhoto", b"MicroVideo"):
        assert word not in left
    assert b"Rating" in left and b"4" in left and (b"BurstID" in left) == (name == "motion photo")
    assert left.startswith(b"<?xpacket begin") == CLAIMS[name].startswith(b"<?xpacket")
    assert xmp.without_further_pictures(left) == (left, ())


def test_other_packets_stay_as_they_are():
    for data in (packet('xmp:Rating="4"'), packet(elements="<xmp:Rating>4</xmp:Rating>"), b"", b"no XML", b"\xff\xfe\0"):
        assert xmp.without_further_pictures(data) == (data, ())


DAMAGED = {
    "cut off": CLAIMS["attribute"][:-140],
    "no XML": b"http://ns.adobe.com/hdr-gain-map/1.0/ <<<",
    "no RDF": b'<a xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1"/>',
    "entities": b'<!DOCTYPE a [<!ENTITY b "c">]>' + CLAIMS["directory"],
    "deep": packet('hdrgm:Version="1"', "<a>" * 5000 + "</a>" * 5000),
    "many": packet('hdrgm:Version="1"', "<xmp:a/>" * (rdf.MAX_NODES + 1)),
    "large": CLAIMS["attribute"] + b" " * rdf.MAX_BYTES,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_claims_take_the_packet_along(name):
    left, (note,) = xmp.without_further_pictures(DAMAGED[name])
    assert left == b"" and note.startswith("the XMP names a gain map or further pictures, which are not kept; it is damaged")


@given(st.integers(0, 1200), st.binary(max_size=4))
def test_nothing_raises(at, new):
    data = CLAIMS["motion photo"]
    changed = data[:at] + new + data[at + len(new) :]
    left, notes = xmp.without_further_pictures(changed)
    assert len(notes) <= 1 and (left == changed or notes)


@pytest.mark.parametrize("module", [jpeg, jp2])
def test_encoded_pictures_claim_no_gain_map(module):
    image = textured(32, 32)
    image.info["xmp"] = CLAIMS["directory"]
    assert len(module.container.writable(image.info, "RGB").notes) == 1
    data = module.codec.encode(image, 50, {})
    assert b"hdrgm" not in data and b"Rating" in module.container.metadata(data).items["xmp"]


# ------------------------------------------------------------------------------------------------ two parts


@pytest.mark.parametrize("prefix", ["rdf", "r", ""])
@pytest.mark.parametrize("wrapped", [False, True])
def test_split_and_joined(prefix, wrapped):
    elements = "".join(f"<xmp:P{k}>{'v' * 1000 * k}</xmp:P{k}>" for k in range(1, 20))
    data = packet('xmp:Rating="4" xmp:Long="' + "w" * 30_000 + '"', elements, wrapped)
    if prefix != "rdf" and prefix:
        data = data.replace(b"rdf:", b"r:").replace(b":rdf=", b":r=")
    most = 65_504
    main, extended = xmp.split(data, most)
    assert len(main) <= most < len(main) + len(extended) and b"Rating" in main and not extended.startswith(b"<?xpacket")
    assert xmp.extension_of(main) == xmp.digest(extended) and xmp.extension_of(data) is None
    assert main.startswith(b"<?xpacket") == wrapped
    whole = xmp.joined(main, extended)
    assert xmp.extension_of(whole) is None
    for word in (b'xmp:Rating="4"', b"w" * 30_000, *(f">{'v' * 1000 * k}<".encode() for k in range(1, 20))):
        assert whole.count(word) == 1
    assert xmp.joined(main, None).count(b"Rating") == 1


def test_what_cannot_be_split():
    for data in (b"", b"no XML", packet()[:-140], b"<a/>"):
        with pytest.raises(ValueError, match=r"it is no XML|it has no rdf:RDF"):
            xmp.split(data, 65_504)
    comment = packet(elements="<xmp:A/>").replace(b"</x:xmpmeta>", b"<!-- " + b"c" * 70_000 + b" --></x:xmpmeta>")
    with pytest.raises(ValueError, match="left of it that cannot be divided"):
        xmp.split(comment, 65_504)
