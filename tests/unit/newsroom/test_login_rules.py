"""Delays, passwords, codes and where a login leads, without a clock."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.newsroom.domain.login import (
    MAX_DELAY_SECONDS,
    FailureScope,
    build_totp_uri,
    choose_destination,
    compute_wait,
    encode_recovery_code,
    encode_totp_secret,
    find_password_problem,
    find_totp_step,
    hash_cookie,
    hash_recovery_code,
    list_counters,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SECRET = encode_totp_secret(bytes(range(20)))
STEP = int(NOW.timestamp()) // 30


@pytest.mark.parametrize("scope", FailureScope)
def test_delays_grow_up_to_their_limit(scope: FailureScope) -> None:
    waits = [compute_wait(scope, failures, NOW, NOW) for failures in range(60)]
    free = waits.index(1.0)
    assert waits[:free] == [0.0] * free
    assert waits[free:] == sorted(waits[free:])
    assert waits[-1] == MAX_DELAY_SECONDS
    assert free == (20 if scope is FailureScope.ADDRESS else 5)


def test_a_delay_passes_and_failures_are_forgotten_after_a_day() -> None:
    for failures, later, wait in ((9, 0, 16), (9, 15, 1), (9, 16, 0), (10_000, 86_400, 0)):
        assert compute_wait(FailureScope.LOGIN, failures, NOW, NOW + timedelta(seconds=later)) == wait


def test_a_known_browser_has_a_counter_of_its_own() -> None:
    known, unknown = list_counters("x", "192.0.2.1", "aa"), list_counters("x", "192.0.2.1", None)
    assert known == {FailureScope.DEVICE: "aa"}
    assert unknown == {FailureScope.ADDRESS: "192.0.2.1", FailureScope.LOGIN: "x"}


@pytest.mark.parametrize(
    ("password", "is_good"),
    [
        ("Regen fällt leise", True),
        ("x" * 12, False),
        ("kurz", False),
        ("a" * 100 + "bcdefg" * 20, False),
        ("redaktion.nord123", False),
        ("Redaktion Nord 12", False),
        ("redaktion.nord und der Regen", True),
    ],
)
def test_a_password_is_long_and_no_name(password: str, is_good: bool) -> None:
    assert (find_password_problem(password, "redaktion.nord", "Redaktion Nord") is None) is is_good


@pytest.mark.parametrize(("drift", "is_found"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_good_for_a_minute_and_a_half(drift: int, is_found: bool) -> None:
    code = pyotp.HOTP(SECRET).at(STEP + drift)
    assert find_totp_step(SECRET, code, NOW, after=0) == (STEP + drift if is_found else None)


def test_a_used_code_and_all_before_it_are_no_longer_good() -> None:
    codes = [pyotp.HOTP(SECRET).at(STEP + drift) for drift in (-1, 0, 1)]
    assert [find_totp_step(SECRET, code, NOW, after=STEP) for code in codes] == [None, None, STEP + 1]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "12345\n", "-123456-7"])
def test_what_is_no_code_is_none(code: str) -> None:
    assert find_totp_step(SECRET, code, NOW, after=0) is None


def test_a_code_may_be_typed_as_apps_show_it() -> None:
    code = pyotp.HOTP(SECRET).at(STEP)
    assert find_totp_step(SECRET, f" {code[:3]} {code[3:]} ", NOW, after=0) == STEP


def test_a_code_is_that_of_rfc_6238() -> None:
    """The test vector of the RFC for SHA-1, whose eight digits end with these six."""
    secret = encode_totp_secret(b"12345678901234567890")
    assert find_totp_step(secret, "287082", datetime.fromtimestamp(59, UTC), after=0) == 1


def test_the_qr_code_says_whose_account_it_is() -> None:
    parts = urlsplit(build_totp_uri(SECRET, "redaktion.nord"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert "redaktion.nord" in parts.path
    assert f"secret={SECRET}" in parts.query


def test_a_recovery_code_is_known_however_it_is_typed() -> None:
    code = encode_recovery_code(bytes(range(10)))
    assert len(code) == 19
    assert hash_recovery_code(code) == hash_recovery_code(f" {code.lower().replace('-', ' ')} ")
    assert hash_recovery_code(code) != hash_recovery_code(code[:-1] + "A")


@pytest.mark.parametrize("path", ["/", "/konten", "/konten?erledigt=beendet", "/a/b?x=%2F%2Fy", "/a#b"])
def test_a_path_of_ours_is_kept(path: str) -> None:
    assert choose_destination(path) == path


@given(some.text(alphabet="/\\:.@\t\r\n\x00 %aeh?#-\x7f\x85\u2028", max_size=30))
def test_no_text_leads_to_another_server(text: str) -> None:
    chosen = choose_destination(text)
    assert chosen.startswith("/")
    assert not chosen.startswith(("//", "/\\"))
    assert chosen.isprintable()
    parts = urlsplit(chosen)
    assert (parts.scheme, parts.netloc) == ("", "")


def test_a_cookie_of_bytes_that_are_no_text_is_nobodys() -> None:
    assert len({hash_cookie(token) for token in ("\udcff", "\udcfe", "?", "\ufffd")}) == 4
