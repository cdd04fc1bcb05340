"""CAP 1.2 is read, and anything else is refused."""

from datetime import datetime

import pytest

from services.feeds.cap.parser import MAX_REFERENCES, NotAnAlert, read_alert
from tests.factories.alerts import SENDER, build_alert, build_area, build_info


def test_an_alert() -> None:
    alert = read_alert(
        build_alert("w-1", build_info(build_area("Lilienthal", "033560005005")), references=["w-0"], msgType="Update")
    )
    assert (alert.identifier, alert.sender, alert.message_type) == ("w-1", SENDER, "Update")
    assert alert.references == ((SENDER, "w-0"),)
    (only,) = alert.infos
    assert (only.language, only.headline, only.instruction) == ("de-de", "Wasser abkochen", "Bitte kochen Sie es ab.")
    assert only.expires == datetime.fromisoformat("2026-11-25T22:00:00+01:00")
    assert only.areas[0].geocodes == (("ARS", "033560005005"),)


def test_text_of_several_lines_becomes_one() -> None:
    (only,) = read_alert(build_alert("w-1", build_info(description="Keime\n   im\tTrinkwasser.\n\n"))).infos
    assert only.description == "Keime im Trinkwasser."


def test_of_an_alert_with_endlessly_many_references_only_the_first_are_read() -> None:
    names = [f"w-{number}" for number in range(20_000)]
    references = [f"{SENDER},{name},x" for name in names]
    alert = read_alert(build_alert("next", build_info(), references=references, msgType="Update"))
    assert alert.references == tuple((SENDER, name) for name in names[:MAX_REFERENCES])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<alert",
        b"<alert/>",
        b"\xff\xfe\x00",
        b"<html></html>",
        b"<!DOCTYPE alert><alert/>",
        build_alert().replace(b"cap:1.2", b"cap:1.1"),
        build_alert(sender=""),
        build_alert(sent="gestern"),
        build_alert(sent="2026-11-25T10:00:00"),
        build_alert("x" * 501),
        build_alert() + b" " * 1_000_000,
        b'<?xml version="1.0" encoding="nonsense"?><alert/>',
        b"<a>" * 100_000,
    ],
)
def test_what_is_no_alert_is_refused(body: bytes) -> None:
    with pytest.raises(NotAnAlert):
        read_alert(body)


def test_words_have_an_end() -> None:
    (only,) = read_alert(build_alert("w-1", build_info(description="Wort " * 100_000))).infos
    assert len(only.description) == 10_000
