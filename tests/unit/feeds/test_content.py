"""HTML becomes one line that our rules accept."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.feeds.content import (
    MAX_HEADLINE_LENGTH,
    MAX_TEXT_LENGTH,
    build_content,
    extract_text,
    normalize_line,
    truncate_text,
    validate_link,
)
from shared.contracts.notices import NoticePublished
from shared.notices.rules import MAX_CONTENT_LENGTH
from tests.factories.feeds import COUNTY, IDENTITY


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
    assert extract_text(markup) == text


@pytest.mark.parametrize("text", ["\u200b", " \u200b \u2060", "<b>\ufeff</b>", "&shy;"])
def test_what_nobody_would_see_is_nothing(text: str) -> None:
    assert extract_text(text) == ""


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
    assert truncate_text(text, longest) == short


@given(st.text(), st.integers(1, 200))
def test_shortened_is_never_longer(text: str, longest: int) -> None:
    assert len(truncate_text(text, longest)) <= longest


LONG_LINK = "https://landkreis-osterholz.de/" + "a" * 150


@given(st.text(max_size=3000), st.text(max_size=3000), st.sampled_from([None, LONG_LINK]))
@example("Sperrung 🚧", "🚧 Umleitung 🚗 ist ausgeschildert. " * 40, None)
@example("🚧" * 130, "🚧 " * 500, LONG_LINK)
def test_whatever_a_website_writes_our_rules_have_nothing_against_it(title: str, text: str, link: str | None) -> None:
    headline = extract_text(title)
    if not headline:
        return
    content = build_content(topic="stellen", headline=headline, text=extract_text(text), link=link, county=COUNTY)
    notice = NoticePublished(**msgspec.structs.asdict(content))
    event = IDENTITY.build_event(notice, subject="a", revision="1", expires=IDENTITY.now + timedelta(hours=1))
    assert IDENTITY.find_problems(event) == ()
    assert len(content.headline) <= MAX_HEADLINE_LENGTH
    assert len(content.text) <= MAX_TEXT_LENGTH
    assert len(content.headline + content.text + (content.link or "")) <= MAX_CONTENT_LENGTH


@given(st.text())
def test_one_line_is_stable(text: str) -> None:
    assert normalize_line(normalize_line(text)) == normalize_line(text)


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
    assert validate_link(address, COUNTY) is None
