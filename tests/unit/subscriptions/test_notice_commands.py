"""Decisions about events of municipal systems, without a database."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from services.subscriptions.domain.broadcast import build_broadcast, estimate_broadcast
from shared.contracts.ids import make_timed_id
from shared.contracts.notices import NoticePublished, NoticeWithdrawn
from shared.notices.configuration import Category, Prices
from shared.notices.rules import parse_notice
from tests.factories.citizens import COUNTY, NOON
from tests.unit.shared_notices.factories import CONTENT, EXPIRY, build_event

ROADS = COUNTY.topics[3]


def content(**changes: object) -> NoticePublished:
    return msgspec.convert(CONTENT | changes, NoticePublished)


def digest(**changes: object) -> bytes:
    return parse_notice(build_event(CONTENT | changes)).fingerprint


def test_the_digest_is_of_what_is_said_and_not_of_how() -> None:
    same = msgspec.structs.replace(build_event(), id="other", time=NOON, kreisfunksystem="s", traceparent="x")
    assert (
        parse_notice(same).fingerprint
        == parse_notice(build_event()).fingerprint
        == digest(link=CONTENT["link"], municipalities=[], later="field")
    )
    assert digest(scheduled_at="2026-11-20T14:00:00+01:00") == digest(scheduled_at="2026-11-20T13:00:00Z")


@pytest.mark.parametrize(
    "change", [{"text": "x"}, {"urgent": False}, {"scheduled_at": "2026-11-20T13:00:00Z"}, {"picture": "https://x"}]
)
def test_other_content_has_another_digest(change: dict[str, object]) -> None:
    assert digest(**change) != digest()


def test_another_expiry_subject_or_type_has_another_digest_and_nonsense_has_one() -> None:
    others = [
        build_event(expirytime=EXPIRY + timedelta(seconds=1)),
        build_event(subject="other"),
        build_event(kind=NoticeWithdrawn.TYPE),
        build_event(kind="unknown"),
        build_event([1]),
        build_event({"scheduled_at": "0001-01-01T00:00:00+14:00", "topic": "a", "headline": "b", "text": "c"}),
    ]
    assert len({parse_notice(each).fingerprint for each in (build_event(), *others)}) == 1 + len(others)


def test_a_scheduled_broadcast_has_the_time_at_which_it_begins_in_its_id() -> None:
    begins = NOON + timedelta(days=200)
    scheduled = content(scheduled_at=begins.isoformat())
    event = build_event(expirytime=begins + timedelta(days=1))
    broadcast = build_broadcast(event, scheduled, topic=ROADS, now=NOON)
    assert (broadcast.published_at, broadcast.scheduled) == (begins, True)
    assert broadcast.id.int >> 80 == make_timed_id(begins).int >> 80


def test_a_scheduled_broadcast_whose_time_is_over_begins_at_once() -> None:
    late = content(scheduled_at=(NOON - timedelta(hours=1)).isoformat(), spread_minutes=60)
    over_sixty, over_nobody = (
        build_broadcast(build_event(), late, topic=ROADS, now=NOON, audience=audience) for audience in (60, 0)
    )
    assert (over_sixty.published_at, over_sixty.scheduled) == (NOON, False)
    assert (over_sixty.spacing_seconds, over_nobody.spacing_seconds) == (60.0, None)


@pytest.mark.parametrize(
    ("audience", "price", "costs"),
    [
        (6_120, "0.0456", {"utility": "279.07"}),
        (1, "0.005", {"utility": "0.01"}),
        (0, "0.0456", {"utility": "0.00"}),
        (10, None, {}),
        (None, "1", {}),
    ],
)
def test_costs_are_cents_of_the_category(audience: int | None, price: str | None, costs: dict[str, str]) -> None:
    prices = Prices(utility=Decimal(price) if price else None)
    broadcast = build_broadcast(build_event(), content(), topic=ROADS, now=NOON)
    found = estimate_broadcast(broadcast, audience, topic=ROADS, prices=prices, messages_per_second=80)
    assert found.costs == costs
    assert Prices(marketing=Decimal(1)).get_price(Category.MARKETING) == 1
