"""Words that may become a link on a phone, and links that are permitted."""

from pathlib import Path

import hypothesis.vendor
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.notices import NoticeWithdrawn
from shared.notices import links
from shared.notices.links import contains_foreign_host, replace_foreign_hosts
from tests.unit.shared_notices.factories import build_event, find_content_problems, find_problems

HOSTS = ("www.landkreis-osterholz.de", "landkreis-osterholz.de")

FOREIGN = [
    "Mehr unter https://bit.ly/2x",
    "HTTPS://BIT.LY/2x",
    "http://198.51.100.7/a",
    "http://3325256711/",
    "https://localhost/",
    "https://[2001:db8::1]/",
    "ftp://www.landkreis-osterholz.de/",
    "whatsapp://send?text=a",
    "bit.ly/2x",
    "Jetzt auf example.com anmelden",
    "(example.com)",
    "*example.com*",
    "_example.com_",
    "Example.Com.",
    "example.com.Danach mehr",
    "example.com-Seite",
    "wa.me/4917604069001",
    "www.landkreis-osterholz.de.example.com",
    "www.landkreis-osterholz.de@example.com/a",
    "https://www.landkreis-osterholz.de@example.com/",
    "https://example.com\\@www.landkreis-osterholz.de/",
    "https://www.landkreis-osterholz.de:8443/",
    "www.landkreis-osterholz.de:8443",
    "evil.com-https://www.landkreis-osterholz.de/",
    "https://www.landkreis-osterholz.de/ und example.com",
    "lаndkreis-osterholz.de",  # with a Cyrillic letter
    "bei\u00adspiel.de",
    "bei\u200bspiel.de",
    "beispiel。de",
    "beispiel\uff0ede",
    "ｂｅｉｓｐｉｅｌ．ｄｅ",
    "пример.рф",
    "xn--e1afmkfd.xn--p1ai",
    "198.51.100.7",
    "mail@example.com/login",
    "हिन्दी.com",
    "ไทยที่.com",
    "उदाहरण.भारत",
    "💩.la/x",
    "👍🏽.ws",
    "√.com",
    "konto\u0335.com",
    "İstanbul.com",
    "example.com👈",
    "example.com\u0335",
    "👉example.com",
    "mail@example.com💩.la",
    "👉198.51.100.7👈",
    "198.51.100.7-\u0335",
    *(
        f"{scheme}www.landkreis-osterholz.de/{character}{host}"
        for scheme in ("https://", "")
        for character in '|"<>„“»{}[]\\^`…💩\u0335'
        for host in ("example.com", "https://example.com/")
    ),
    "landkreis-osterholz.de/aäexample.com",
    "landkreis-osterholz.de/a_„example.com",
    "www.landkreis-osterholz.de💩.la",
    "gesperrt.In Worpswede",
]
PERMITTED = [
    "Mehr unter https://www.landkreis-osterholz.de/sperrungen?ort=Worpswede.",
    "Mehr unter www.landkreis-osterholz.de.",
    "www.Landkreis-Osterholz.de/karte.zip",
    "(landkreis-osterholz.de), *www.landkreis-osterholz.de*, _landkreis-osterholz.de_",
    "https://landkreis-osterholz.de:443/",
    "www.landkreis-osterholz.de.Bitte beachten, die landkreis-osterholz.de-Seite",
    "www.landkreis-osterholz.de/meine_karte.zip_",
    "„https://www.landkreis-osterholz.de/suche?art[]=2&q=straße“, »landkreis-osterholz.de/grün«",
    "´www.landkreis-osterholz.de´, ➡ landkreis-osterholz.de, www.landkreis-osterholz.de👈",
    "📧jobs@example.com, bei 30 °C. 🙂 Am 5.½ und ½.Mai",
    "Bewerbung an jobs@example.com.",
    "z.B. am 24.12.2026 von 8.30 bis 18.00Uhr, u.a. auf der L149 (Abs.2, Nr.5)",
    "am 1.Mai in St.Jürgen, Str.Nord. ver.di streikt",
    "3,5 Mio. Euro... und mehr…in Lilienthal",
    "die Ordnung nach § 3.2.1",
    "und/oder 1:0 A/B",
    "",
]


@pytest.mark.parametrize("text", FOREIGN)
def test_what_may_lead_elsewhere_is_found(text: str) -> None:
    assert contains_foreign_host(text, HOSTS)


@pytest.mark.parametrize("text", PERMITTED)
def test_what_does_not_lead_elsewhere_is_left_alone(text: str) -> None:
    assert not contains_foreign_host(text, HOSTS)
    assert replace_foreign_hosts(text, HOSTS) == text


def test_without_hosts_no_address_is_permitted() -> None:
    assert contains_foreign_host("www.landkreis-osterholz.de", ())


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Warnung des DWD, siehe www.dwd.de, bis 18 Uhr.", "Warnung des DWD, siehe […], bis 18 Uhr."),
        ("Näheres (https://example.com/a) folgt", "Näheres […]) folgt"),
        ("Die L149 ist gesperrt.In Worpswede auch", "Die L149 ist gesperrt. In Worpswede auch"),
        ("Muster GmbH & Co.KG", "Muster GmbH & Co. KG"),
    ],
)
def test_feeds_leave_such_an_address_out(text: str, left: str) -> None:
    assert replace_foreign_hosts(text, HOSTS) == left


@given(st.lists(st.sampled_from([*FOREIGN, *PERMITTED]) | st.text(max_size=20), max_size=6).map(" ".join))
def test_what_is_left_leads_nowhere_else(text: str) -> None:
    assert not contains_foreign_host(replace_foreign_hosts(text, HOSTS), HOSTS)


HOSTILE = ["\u0335", "a\u0335", "💩", "💩.", "a.de/", "a.de ", "a.de/„", "https://a.de/„", "_", "a_"]


@pytest.mark.parametrize(
    "part", ["a", "a-", "a.", "a.b-", "@", "a@a.", "_a", "://", "https://", "a:1", "ä.", "-.", *HOSTILE]
)
@pytest.mark.timeout(20)
def test_a_hostile_text_does_not_take_for_ever(part: str) -> None:
    contains_foreign_host(part * (100_000 // len(part)), ("a.de",))


@pytest.mark.parametrize("field", ["headline", "text"])
@pytest.mark.parametrize("words", ["Siehe example.com", "https://example.com/a", "gesperrt.In Worpswede"])
def test_a_notice_names_no_foreign_host(field: str, words: str) -> None:
    found = find_content_problems(**{field: words})
    assert set(found) == {field}
    assert "landkreis-osterholz.de" in found[field]
    assert "remove it" in found[field]
    assert words not in found[field]


def test_nor_does_the_reason_of_a_withdrawal() -> None:
    withdrawn = build_event({"reason": "Neu unter example.com"}, kind=NoticeWithdrawn.TYPE, expirytime=None)
    assert set(find_problems(withdrawn)) == {"reason"}
    permitted = build_event(
        {"reason": "Neu unter www.landkreis-osterholz.de"}, kind=NoticeWithdrawn.TYPE, expirytime=None
    )
    assert find_problems(permitted) == {}


def test_a_permitted_host_may_stand_in_words() -> None:
    assert find_content_problems(text="Mehr unter www.landkreis-osterholz.de/sperrungen.") == {}


def test_every_top_level_domain_that_the_test_library_knows_is_known() -> None:
    """An update of hypothesis tells when the list is to be copied again."""
    theirs = Path(hypothesis.vendor.__file__).with_name("tlds-alpha-by-domain.txt")
    ours = Path(links.__file__).with_name("tlds.txt")
    assert theirs.read_text() in ours.read_text()
