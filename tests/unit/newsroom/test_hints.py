"""Hints: what is hard to read is named, what is plain is left alone."""

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.paths import CONFIG
from services.newsroom.domain.drafts import DraftContent
from services.newsroom.domain.hints import find_hints, find_similar
from tests.factories.editors import NOON

TODAY = date(2026, 11, 25)
LONG = (
    "Die Straße zwischen dem Bahnhof und dem Rathaus ist ab Montag wegen der Arbeiten an der Leitung für das Gas und"
    " das Wasser gesperrt."
)


@pytest.mark.parametrize(
    ("field", "text", "part"),
    [
        ("headline", "ACHTUNG Sperrung", "Großbuchstaben"),
        ("headline", "Jetzt anmelden!!", "Ausrufezeichen"),
        ("headline", "K 9 gesperrt.", "keinen Punkt"),
        ("headline", "Fest am 24.11.2026", "schon vorbei"),
        ("headline", "Mehr: https://www.landkreis-osterholz.de/a", "Feld „Link“"),
        ("text", "Am 24. November 2026 um 10 Uhr.", "schon vorbei"),
        ("text", "Am 31.11.2026 um 10 Uhr.", "gibt es nicht"),
        ("text", "Am 24. November um 10 Uhr.", "Der 24.11.2026 ist schon vorbei"),
        ("text", "Bis 31. November.", "gibt es nicht: 31. November."),
        ("text", LONG, "24 Wörter"),
        ("text", "Kurz. " + LONG, "24 Wörter"),
        ("text", "🎉🎉🎉 Es geht los.", "3 Bildzeichen"),
        ("text", "Mehr auf https://www.landkreis-osterholz.de/a", "Feld „Link“"),
        ("text", "Die Straßenverkehrsordnungswidrigkeit wird geahndet.", "langes Wort"),
    ],
)
def test_what_is_hard_to_read_is_named(field: str, text: str, part: str) -> None:
    hints = find_hints(msgspec.structs.replace(DraftContent(), **{field: text}), TODAY)
    assert [hint.field for hint in hints if part in hint.text] == [field]
    assert len(hints) == 1


def test_a_link_without_words_is_named() -> None:
    content = DraftContent(text="Die K 9 ist gesperrt.", link="https://www.landkreis-osterholz.de/a")
    assert [hint.field for hint in find_hints(content, TODAY)] == ["link"]
    assert find_hints(msgspec.structs.replace(content, text="Die Karte zeigt die Umleitung."), TODAY) == ()


@pytest.mark.parametrize(
    "text",
    [
        "Am Samstag, 28. November 2026, 10 bis 16 Uhr. Der Eintritt ist frei.",
        "Am 25.11.2026 geht es los.",
        "Am 27. November geht es los, am 3. Januar geht es weiter.",
        "Die K 9 und die B 74 sind frei. Der ADAC hilft.",
        "Am Freitag 2 °C, am Samstag −5 °C, am Sonntag −10 °C.",
        "Im Dr.-Meyer-Saal, Am Str. 3, beim DRK. Es gibt Kuchen 🎂.",
    ],
)
def test_what_is_plain_gets_no_hint(text: str) -> None:
    assert find_hints(DraftContent(text=text), TODAY) == ()


def test_the_examples_that_meta_has_seen_get_no_hint_but_for_their_dates() -> None:
    for template in msgspec.json.decode((CONFIG / "templates.json").read_bytes()):
        body = next(part for part in template["components"] if part["type"] == "BODY")
        values = {each["param_name"]: each["example"] for each in body["example"]["body_text_named_params"]}
        assert find_hints(DraftContent(**values), date(2026, 11, 1)) == ()


@given(st.text(max_size=300), st.text(max_size=1_000), st.text(max_size=100))
def test_any_text_gets_its_hints(headline: str, text: str, link: str) -> None:
    content = DraftContent(headline=headline, text=text, link=link)
    assert {hint.field for hint in find_hints(content, TODAY)} <= {"headline", "text", "link"}


@pytest.mark.parametrize(
    ("other", "found"),
    [("K 9 gesperrt", True), ("Gesperrt: K 9", True), ("K 9 ist gesperrt", True), ("Flohmarkt in Worpswede", False)],
)
def test_similar_headlines_are_found_whatever_their_order(other: str, found: bool) -> None:
    assert find_similar("K 9 gesperrt", [(other, NOON)]) == (((other, NOON),) if found else ())
