"""HTML becomes one line that our rules accept."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.feeds.plain import one_line, plain_line, shortened
from cli.feeds.wording import LONGEST_HEADLINE, LONGEST_TEXT, content_of, permitted_address
from shared.contracts.notices import NoticePublished
from shared.municipal.content import LONGEST_CONTENT
from tests.unit.feeds.material import COUNTY, PLACE


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Hallo<br/>Welt</p><p>und mehr</p>", "Hallo Welt und mehr"),
        ("Fisch &amp; Chips", "Fisch & Chips"),
        ("<b>Voll</b>sperrung", "Vollsperrung"),
        ("<script>alert(1)</script><style>p{}</style>Text", "Text"),
        ("ein\n\n  \t Absatz\u2028noch einer", "ein Absatz noch einer"),
        ("&nbsp;&nbsp;&nbsp;&nbsp;&nbsp;&nbsp;weit", "weit"),
        ("Platz {{1}} halten", "Platz {1} halten"),
        ("von\u202erechts\u202c nach\u200b links", "vonrechts nach\u200b links"),
        ("Glocke\x07 und \x00 Null", "Glocke und Null"),
        ("1 < 2 und 3 > 2", "1 < 2 und 3 > 2"),
        ("<ul><li>eins</li><li>zwei</li></ul>", "eins zwei"),
        ("", ""),
    ],
)
def test_a_line_is_what_a_reader_would_see(markup: str, text: str) -> None:
    assert plain_line(markup) == text


@pytest.mark.parametrize("text", ["\u200b", " \u200b \u2060", "<b>\ufeff</b>", "&shy;"])
def test_what_nobody_would_see_is_nothing(text: str) -> None:
    assert plain_line(text) == ""


@pytest.mark.parametrize(
    ("text", "longest", "short"),
    [
        ("kurz", 10, "kurz"),
        ("genau zehn", 10, "genau zehn"),
        ("ein langer Satz", 11, "ein langer…"),
        ("ein langer Satz", 12, "ein langer…"),
        ("erst, dann mehr", 8, "erst…"),
        ("Donaudampfschifffahrt", 6, "Donau…"),
    ],
)
def test_what_is_too_long_ends_after_a_word(text: str, longest: int, short: str) -> None:
    assert shortened(text, longest) == short


@given(st.text(), st.integers(1, 200))
def test_shortened_is_never_longer(text: str, longest: int) -> None:
    assert len(shortened(text, longest)) <= longest


LONG_LINK = "https://landkreis-osterholz.de/" + "a" * 150


@given(st.text(max_size=3000), st.text(max_size=3000), st.sampled_from([None, LONG_LINK]))
def test_whatever_a_website_writes_our_rules_have_nothing_against_it(title: str, text: str, link: str | None) -> None:
    headline = plain_line(title)
    if not headline:
        return
    content = content_of(topic="stellen", headline=headline, text=plain_line(text), link=link, county=COUNTY)
    notice = NoticePublished(**msgspec.structs.asdict(content))
    event = PLACE.event(notice, subject="a", revision="1", expires=PLACE.now + timedelta(hours=1))
    assert PLACE.problems(event) == ()
    assert len(content.headline) <= LONGEST_HEADLINE
    assert len(content.text) <= LONGEST_TEXT
    assert len(content.headline + content.text + (content.link or "")) <= LONGEST_CONTENT


@given(st.text())
def test_one_line_is_stable(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize(
    "address",
    [
        "http://landkreis-osterholz.de/a",
        "https://elsewhere.example/a",
        "https://user@landkreis-osterholz.de/a",
        "https://landkreis-osterholz.de:8443/a",
        "https://landkreis-osterholz.de/a b",
        "https://landkreis-osterholz.de/" + "a" * 200,
        "https://[broken",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_link_that_the_county_does_not_permit_is_left_out(address: str) -> None:
    assert permitted_address(address, COUNTY) is None
