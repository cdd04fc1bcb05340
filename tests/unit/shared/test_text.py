"""Cleaning of external text."""

from shared.contracts.text import strip_controls


def test_controls_surrogates_and_overrides_go() -> None:
    assert strip_controls("a\0b\x1b[2J\x7f\x9b\ud800\u202ec\u2066d") == "ab[2Jcd"


def test_what_separates_words_still_does() -> None:
    assert strip_controls("Stop\vbitte\f\x85jetzt") == "Stop bitte  jetzt"
    assert strip_controls("Stop\tbitte\r\nDanke") == "Stop\tbitte\r\nDanke"


def test_everything_that_people_write_stays() -> None:
    written = "Grüße 👨\u200d👩\u200d👧 Ku\u0308ndigung \u200fمرحبا — „ja“ ﷺ"
    assert strip_controls(written) == written
