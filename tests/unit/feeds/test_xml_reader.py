"""Hostile XML is refused or read in time and little memory; sloppy XML is read as far as it goes."""

import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest

from services.feeds.cap.parser import NotAnAlert, read_alert
from services.feeds.content import extract_text
from services.feeds.rss import NotAFeed, read_feed
from services.feeds.xml_reader import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_NAME_LENGTH,
    MAX_NAMES,
    XmlRefused,
    read_sloppy_xml,
    read_xml,
)
from tests.factories.feeds import build_item, build_rss

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))

BOMBS = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><x>&l9;</x>',
    "quadratic blowup": f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]><x>{"&a;" * 50_000}</x>',
    "external entity": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><x>&a;</x>',
    "parameter entity": '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:1/a"> %a;]><x/>',
    "external subset": '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><x/>',
    "default attributes": '<!DOCTYPE x [<!ATTLIST x a CDATA "b">]><x/>',
    "document type alone": "<!DOCTYPE html><html/>",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("read", [read_xml, read_sloppy_xml])
def test_whatever_has_a_document_type_is_refused(read: Callable[[bytes], object], bomb: str, encoding: str) -> None:
    with pytest.raises(XmlRefused, match="document type"):
        read(bomb.encode(encoding))


@pytest.mark.parametrize("read", [read_xml, read_sloppy_xml])
def test_depth_and_attributes_have_bounds(read: Callable[[bytes], object]) -> None:
    attributes = " ".join(f'a{number}=""' for number in range(MAX_ATTRIBUTES))
    deep = read(f"<x {attributes}>{'<a>' * (MAX_DEPTH - 1)}{'</a>' * (MAX_DEPTH - 1)}</x>".encode())
    assert deep is not None
    for refused in ("<a>" * (MAX_DEPTH + 1) + "</a>" * (MAX_DEPTH + 1), f'<x more="" {attributes}/>'):
        with pytest.raises(XmlRefused, match="nested"):
            read(refused.encode())


def nest_namespaces(count: int) -> str:
    """Return elements, two in each other, that declare so many namespaces together."""
    written = [f'xmlns:n{number}="u"' for number in range(count)]
    return f"<x {' '.join(written[::2])}><x {' '.join(written[1::2])}/></x>"


BOUNDS: dict[str, tuple[Callable[[int], str], int, str]] = {
    "elements": (lambda count: f"<x>{'<a/>' * (count - 1)}</x>", MAX_ELEMENTS, "elements"),
    "namespaces": (nest_namespaces, MAX_ATTRIBUTES - 1, "namespaces"),  # `xml` is one, too
    "names of elements": (lambda count: f"<x>{''.join(f'<a{n}/>' for n in range(count - 1))}</x>", MAX_NAMES, "names"),
    "names of attributes": (
        lambda count: f"<x>{''.join(f'<x a{n}=``/>' for n in range(count - 1))}</x>".replace("`", '"'),
        MAX_NAMES,
        "names",
    ),
    "long namespace": (lambda count: f'<x xmlns="{"u" * (count - 1)}"/>', MAX_NAME_LENGTH, "names"),
    "long namespace of an attribute": (
        lambda count: f'<x xmlns:a="{"u" * (count - 3)}" a:b=""/>',
        MAX_NAME_LENGTH,
        "names",
    ),
    "long element": (lambda count: f"<{'n' * count}/>", MAX_NAME_LENGTH, "names"),
    "long attribute": (lambda count: f'<x {"n" * count}=""/>', MAX_NAME_LENGTH, "names"),
}


@pytest.mark.parametrize("read", [read_xml, read_sloppy_xml])
@pytest.mark.parametrize(("write", "bound", "reason"), BOUNDS.values(), ids=BOUNDS)
def test_elements_names_and_namespaces_have_bounds(
    read: Callable[[bytes], object], write: Callable[[int], str], bound: int, reason: str
) -> None:
    assert read(write(bound).encode()) is not None
    with pytest.raises(XmlRefused, match=reason):
        read(write(bound + 1).encode())


@pytest.mark.parametrize("body", [b"", b"x", b"<a>", b"<a></b>", b"<a>&b</a>", b"<a>&b;</a>", b"<a/><b/>", b"\x00\x01"])
def test_what_is_not_well_formed_is_refused_unless_it_may_be_sloppy(body: bytes) -> None:
    with pytest.raises(XmlRefused):
        read_xml(body)


@pytest.mark.parametrize(
    ("written", "title"),
    [
        (b"Fisch & Chips", "Fisch & Chips"),
        (b"Fisch&nbsp;&amp;&nbsp;Chips", "Fisch & Chips"),
        (b"<![CDATA[Fisch & Chips]]> & Bier", "Fisch & Chips & Bier"),
        (b"Glocke\x07", "Glocke"),
        (b"Fisch</title><media:a/><title>", "Fisch"),  # without a declaration of `media`
        ("Straße".encode(), "Straße"),
        ("Straße".encode("windows-1252"), "Straße"),
    ],
)
def test_the_commonest_mistakes_are_mended(written: bytes, title: str) -> None:
    (entry,) = read_feed(
        build_rss(["<item><guid>1</guid><title>TITLE</title></item>"]).replace(b"TITLE", written)
    ).entries
    assert entry.title == title


def test_namespaces_are_found_by_their_nearest_declaration() -> None:
    root = read_xml(
        b'<a xmlns="u" xmlns:p="v"><p:b c="" p:c="" xml:base=""/><d xmlns="" xmlns:p="w"><p:e/></d><p:f/><g/></a>'
    )
    assert [element.tag for element in root.iter()] == ["{u}a", "{v}b", "d", "{w}e", "{v}f", "{u}g"]
    assert list(root[0].attrib) == ["c", "{v}c", "{http://www.w3.org/XML/1998/namespace}base"]


def test_the_header_says_the_encoding_where_the_document_does_not() -> None:
    body = build_rss([build_item(1, title="Zażółć")]).decode().encode("iso-8859-2")
    (entry,) = read_feed(body, content_type="text/xml; charset=ISO-8859-2").entries
    assert entry.title == "Zażółć"
    (entry,) = read_feed(build_rss([build_item(1, title="Straße")]), content_type="text/xml; charset=no-such").entries
    assert entry.title == "Straße"


@pytest.mark.parametrize("encoding", ["unicode_escape", "raw_unicode_escape", "charmap", "idna", "rot13", "undefined"])
def test_a_codec_that_is_no_encoding_of_the_web_is_not_used(encoding: str) -> None:
    body = build_rss([build_item(1, title="Straße")]).decode().encode("windows-1252")
    (entry,) = read_feed(body, content_type=f"text/xml; charset={encoding}").entries
    assert entry.title == "Straße"
    declared = body.replace(b"?>", f' encoding="{encoding}"?>'.encode(), 1)
    (entry,) = read_feed(declared).entries
    assert entry.title == "Straße"
    with pytest.raises(XmlRefused):
        read_xml(declared)


def test_an_entry_that_does_not_end_is_none() -> None:
    feed = read_feed(build_rss([build_item(1), "<item><guid>2</guid><title>Ein halber</title><b>", build_item(3)]))
    assert ([entry.id for entry in feed.entries], feed.broken) == (["meldung-1"], 1)


HOSTILE = [
    *(
        "<!--",
        "<!",
        "<?",
        "</",
        "<a ",
        "<a b=",
        "<a b='",
        '<a b="',
        "x<y ",
        "<a '>",
        "<a \"><a '>",
        "<!--x--",
        "<!DOCTYPE ",
    ),
    *("<![CDATA[", "]]>", "<script>", "<style", "<script></scrip", "<title>", "<p>", "&", "&#", "&#x1", "&nbsp;", "{{"),
]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("part", HOSTILE)
def test_250_kilobytes_of_anything_are_read_in_time(part: str) -> None:
    """It took 13 s with `<!--`, and minutes with other parts."""
    text = part * (250_000 // len(part))
    for markup in (text, f"{text}>"):
        extract_text(markup)
    read_feed(build_rss([build_item(1, description=text, title=text[: len(text) // 10] + " Titel")]))
    for raw in (text, f"<description>{text}</description>"):
        with suppress(NotAFeed):
            read_feed(build_rss([build_item(1), f"<item>{raw}</item>"]))


def test_a_character_that_there_is_not_is_no_error() -> None:
    assert extract_text(f"a&#{'9' * 5000};b&#{'0' * 5000}65;c") == "a\ufffdb\ufffdc"


def test_words_have_an_end() -> None:
    (entry,) = read_feed(build_rss([build_item(1, description="Wort " * 100_000)])).entries
    assert len(entry.summary) <= 10_000


MAX_BYTES = 40_000_000
SHORT, LONG = b"u" * 250, b"u" * 100_000
HEAVY = {
    "long namespace": b'<rss xmlns="%b"><channel>%b</channel></rss>' % (LONG, b"<a/>" * 4_000),
    "long namespace of attributes": b'<rss xmlns:x="%b">%b</rss>' % (LONG, b'<a x:b=""/>' * 4_000),
    "long namespace of one element": b'<rss xmlns:x="%b" %b/>'
    % (LONG, b" ".join(b'x:a%d=""' % n for n in range(4_000))),
    "namespace of many elements": b'<rss xmlns="%b">%b</rss>' % (SHORT, b"<a/>" * 400_000),
    "different names": b'<rss xmlns="%b">%b</rss>' % (SHORT, b"".join(b"<a%d/>" % n for n in range(200_000))),
    "unclosed elements": b"<rss>%b" % (b'<a b=""/>' * (MAX_ELEMENTS - 1)),
    "too many unclosed elements": b"<rss>%b" % (b'<a b=""/>' * 220_000),
    "ampersands": b"<rss><item><title>%b</title></item></rss>" % (b"&" * 1_000_000),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("read", [read_feed, read_alert])
@pytest.mark.parametrize("body", HEAVY.values(), ids=HEAVY)
def test_no_document_takes_much_memory(read: Callable[[bytes], object], body: bytes) -> None:
    """180 kB took 2 GB, with a long namespace that each of many elements repeats."""
    tracemalloc.start()
    try:
        with suppress(NotAFeed, NotAnAlert):
            read(body)
        assert tracemalloc.get_traced_memory()[1] < MAX_BYTES
    finally:
        tracemalloc.stop()
