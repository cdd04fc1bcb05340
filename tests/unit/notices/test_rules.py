"""Buckets, addresses and tokens, each on its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.ingress.notices.auth import TokenFile
from services.ingress.notices.rate_limit import TokenBuckets
from shared.contracts.notices_http import event_key
from shared.notices.tokens import Token, TokenList, find_token, hash_token
from shared.runtime.client_address import find_client_address

NOW = datetime(2026, 11, 25, tzinfo=UTC)
PROXIES = (ip_network("10.0.0.0/24"), ip_network("fd00::/64"))


@given(some.lists(some.floats(0, 5), max_size=60))
def test_no_window_lets_more_through_than_burst_and_rate(pauses: list[float]) -> None:
    buckets, now, taken = TokenBuckets(burst=3, per_second=0.5), 0.0, []
    for pause in pauses:
        now += pause
        if buckets.take("a", now) == 0:
            taken.append(now)
    for place, begin in enumerate(taken):
        for later, end in enumerate(taken[place:]):
            assert later + 1 <= 3 + (end - begin) * 0.5 + 1e-6


@given(some.floats(0, 100))
def test_the_wait_that_is_named_suffices(begin: float) -> None:
    buckets = TokenBuckets(burst=1, per_second=0.1)
    assert buckets.take("a", begin) == 0
    wait = buckets.take("a", begin)
    assert 9.99 < wait <= 10
    assert buckets.take("a", begin + wait + 1e-6) == 0


@given(some.integers(1, 100), some.floats(0, 100), some.integers(1, 100))
def test_after_the_wait_that_is_named_a_batch_gets_through_and_is_counted_in_full(
    burst: int, begin: float, events: int
) -> None:
    buckets = TokenBuckets(burst=burst, per_second=0.1)
    while buckets.take("a", begin) == 0:
        pass
    begin += 10 + 1e-3
    assert buckets.take("a", begin) == 0
    if wait := buckets.take_rest("a", begin, events - 1):
        begin += wait + 1e-3
        assert buckets.take("a", begin) == buckets.take_rest("a", begin, events - 1) == 0
    assert buckets.take("a", begin) > 0
    if events > burst:
        assert buckets.take("a", begin) > 10 * (events - burst)


def test_only_so_many_keys_are_remembered() -> None:
    buckets = TokenBuckets(burst=1, per_second=0.001, max_keys=3)
    for key in "abcd":
        buckets.take(key, 0)
    assert buckets.take("a", 0) == 0
    assert buckets.take("d", 0) > 0


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "9.9.9.9", "192.0.2.1"),
        ("10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "9.9.9.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", "nonsense", "unknown"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        (None, None, "unknown"),
        ("::ffff:192.0.2.1", None, "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::"),
        ("fd00::1", "2001:db8::1", "2001:db8::"),
    ],
)
def test_the_client_is_the_last_address_that_no_proxy_has_or_the_first_of_all(
    peer: str | None, forwarded: str | None, expected: str
) -> None:
    assert find_client_address(peer, forwarded, PROXIES) == expected


def token(text: str, ends: datetime | None) -> Token:
    return Token(id="t", system="a", sha256=hash_token(text), created_at=NOW, expires_at=ends)


def test_a_token_is_valid_until_its_moment() -> None:
    tokens = [token("x", NOW + timedelta(seconds=1)), token("y", NOW)]
    assert find_token("x", tokens, NOW) is tokens[0]
    assert find_token("y", tokens, NOW) is None
    assert find_token("", tokens, NOW) is None


NOBODY = 65534


@contextmanager
def without_roots_rights() -> Iterator[None]:
    """Root may read every file."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_tokens_file_is_read_as_soon_as_its_rights_permit_it() -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "tokens.json"
        path.write_bytes(msgspec.json.encode(TokenList(tokens=(token("x", None),))))
        path.chmod(0o000)
        file, before = TokenFile(path), path.stat()
        with without_roots_rights():
            assert file.load() is None
        while path.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of the file system has a few milliseconds
            path.chmod(0o644)
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        with without_roots_rights():
            assert file.load() == (token("x", None),)


@given(some.tuples(some.text(), some.text()), some.tuples(some.text(), some.text()))
def test_different_events_have_different_names(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (event_key(*one) == event_key(*other)) == (one == other)
