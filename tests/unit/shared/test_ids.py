"""Ids are deterministic, sort by time and are what they say they are."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.ids import delivery_id, derive_id, make_timed_id, read_time

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
PARTS = st.lists(st.binary(max_size=20), max_size=4)
MILLISECOND = timedelta(milliseconds=1)


@given(at=MOMENTS, parts=PARTS)
def test_equal_arguments_give_equal_ids_of_version_8(at: datetime, parts: list[bytes]) -> None:
    identifier = make_timed_id(at, *parts)
    assert identifier == make_timed_id(at, *parts)
    assert (identifier.version, identifier.variant) == (8, RFC_4122)


@given(at=MOMENTS, parts=PARTS)
def test_the_time_is_inside_to_the_millisecond(at: datetime, parts: list[bytes]) -> None:
    assert timedelta(0) <= at - read_time(make_timed_id(at, *parts)) < MILLISECOND


@given(at=MOMENTS, parts=PARTS)
def test_the_moment_of_an_id_makes_the_same_id_again(at: datetime, parts: list[bytes]) -> None:
    identifier = make_timed_id(at, *parts)
    assert make_timed_id(read_time(identifier), *parts) == identifier


@given(first=MOMENTS, second=MOMENTS, one=PARTS, other=PARTS)
def test_ids_sort_by_time(first: datetime, second: datetime, one: list[bytes], other: list[bytes]) -> None:
    if abs(second - first) < MILLISECOND:
        second = first + MILLISECOND
    earlier, later = sorted((first, second))
    assert make_timed_id(earlier, *one) < make_timed_id(later, *other)


@given(at=MOMENTS, one=PARTS, other=PARTS)
def test_ids_of_one_moment_are_equal_only_for_equal_parts(at: datetime, one: list[bytes], other: list[bytes]) -> None:
    assert (make_timed_id(at, *one) == make_timed_id(at, *other)) == (one == other)


def test_where_a_part_ends_matters() -> None:
    at = datetime(2026, 11, 12, tzinfo=UTC)
    assert make_timed_id(at, b"ab", b"c") != make_timed_id(at, b"a", b"bc")
    assert make_timed_id(at, b"a") != make_timed_id(at, b"a", b"")


@given(at=MOMENTS, one=st.uuids(), other=st.uuids())
def test_a_delivery_is_the_same_for_the_same_broadcast_and_subscriber(at: datetime, one: UUID, other: UUID) -> None:
    broadcast = make_timed_id(at, b"broadcast")
    assert delivery_id(broadcast, one) == delivery_id(broadcast, one)
    assert (delivery_id(broadcast, one) == delivery_id(broadcast, other)) == (one == other)
    assert read_time(delivery_id(broadcast, one)) == read_time(broadcast)


def test_ids_stay_what_they_are() -> None:
    """Stored rows and messages on queues depend on these bytes."""
    broadcast = make_timed_id(datetime(2026, 11, 12, 8, 30, tzinfo=UTC), b"notice", b"1")
    assert str(broadcast) == "01a1cee0-c740-887f-a708-5771b89eee4f"
    assert str(derive_id(broadcast, b"page", b"0")) == "01a1cee0-c740-802a-b012-614838d5cef7"
    assert str(delivery_id(broadcast, UUID(int=7))) == "01a1cee0-c740-8a2c-a2d1-37b063344e7e"
