from dataclasses import replace
from datetime import time, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.subscriptions.domain.broadcast import (
    Broadcast,
    BroadcastPage,
    build_broadcast,
    build_pages,
    build_template,
    estimate_broadcast,
)
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, PermittedHours, Recipient
from shared.contracts.envelope import Envelope, decode
from shared.contracts.ids import make_timed_id
from shared.contracts.message import AddressKind, Lane
from shared.contracts.notices import NoticeContent, NoticePublished, NoticeUpdated
from shared.notices.configuration import Prices
from tests.factories.citizens import COUNTY, NOON, build_address

CONTENT = NoticePublished(
    topic="strassensperrungen",
    headline="L 149: gesperrt",
    text="Bis 18 Uhr. Umleitung über Worpswede.",
    link="https://www.landkreis-osterholz.de/l149",
)
TOPIC = COUNTY.topics[3]
SHUT_TOO_SOON = (
    "not everybody will get it: the permitted hours end at 2026-11-20T14:00:00+01:00, and it expires before they begin"
    " again"
)
TAKES_THE_NEXT_HOUR, TAKES_ANOTHER_DAY = (
    f"not everybody will get it: within the permitted hours it takes until {end}+01:00, and expires before"
    for end in ("2026-11-21T09:00:00", "2026-11-22T11:00:00")
)


EVENT = Envelope(
    id="e", source="/press", type="t", specversion="1.0", subject="L149", expirytime=NOON + timedelta(hours=6)
)


def broadcast(content: NoticeContent = CONTENT) -> Broadcast:
    return build_broadcast(EVENT, content, topic=TOPIC, now=NOON)


def recipients(number: int) -> list[Recipient]:
    return [
        Recipient(subscriber=UUID(int=each + 1), sequence=1, address=build_address(AddressKind.PHONE, each))
        for each in range(number)
    ]


def batch(page: BroadcastPage) -> BroadcastBatch:
    message = decode(page.body)
    assert isinstance(message, BroadcastBatch)
    return message


def test_the_id_of_a_broadcast_carries_its_time_and_depends_on_the_revision() -> None:
    assert broadcast().id.int >> 80 == make_timed_id(NOON).int >> 80
    assert broadcast().id == broadcast().id
    revised = NoticeUpdated(topic="x", headline="h", text="t", revision=2)
    assert broadcast(revised).id != broadcast().id


def test_the_template_has_one_line_for_each_parameter_and_a_stop_button() -> None:
    template = build_template(CONTENT, TOPIC, broadcast().id)
    assert {parameter.name: parameter.text for parameter in template.parameters} == {
        "headline": "L 149: gesperrt",
        "text": "Bis 18 Uhr. Umleitung über Worpswede. https://www.landkreis-osterholz.de/l149",
    }
    assert (template.name, template.language, template.quick_replies) == (
        "kreisfunk_strassensperrungen_v1",
        "de",
        ("stop", f"rating:good:{broadcast().id}", f"rating:bad:{broadcast().id}"),
    )


def test_a_picture_goes_into_the_template_that_has_one() -> None:
    picture = "https://www.landkreis-osterholz.de/l149.jpg"
    template = build_template(msgspec.structs.replace(CONTENT, picture=picture), TOPIC, broadcast().id)
    assert (template.name, template.picture) == ("kreisfunk_strassensperrungen_bild_v1", picture)
    assert build_template(CONTENT, TOPIC, broadcast().id).picture is None


@given(st.integers(0, 450), st.booleans())
def test_pages_hold_everybody_once_in_order(number: int, more: bool) -> None:
    everybody = recipients(number)
    pages = build_pages(broadcast(), everybody, more=more, now=NOON)
    batches = [batch(page) for page in pages]
    assert [recipient for each in batches for recipient in each.recipients] == everybody
    assert [each.page for each in batches] == list(range(len(pages)))
    assert all(0 < len(each.recipients) <= 100 for each in batches) or number == 0
    assert [each.last for each in batches] == [False] * (len(pages) - 1) + [not more]
    assert batches[-1].offset + len(batches[-1].recipients) == number
    assert len({page.message_id for page in pages}) == len(pages)


@pytest.mark.parametrize("more", [True, False])
def test_an_expired_broadcast_ends_with_an_empty_page(more: bool) -> None:
    (page,) = build_pages(broadcast(), recipients(5), more=more, now=broadcast().expires_at)
    assert (batch(page).recipients, page.last, page.position) == ((), True, None)


def test_the_same_page_is_the_same_bytes_whenever_it_is_made() -> None:
    soon = build_pages(broadcast(), recipients(150), more=False, now=NOON)
    later = build_pages(broadcast(), recipients(150), more=False, now=NOON + timedelta(minutes=5))
    assert soon == later


@pytest.mark.parametrize(
    ("minutes", "expires", "blockers"),
    [
        (120, timedelta(hours=6), (SHUT_TOO_SOON,)),
        (30, timedelta(hours=6), ()),
        (120, timedelta(hours=20), ()),
        (120, timedelta(hours=20, seconds=-1), (TAKES_THE_NEXT_HOUR,)),
        (600, timedelta(hours=45), (TAKES_ANOTHER_DAY,)),
    ],
    ids=["over-before-they-begin-again", "done-before-they-end", "goes-on-the-next-day", "and-ends-then", "and-after"],
)
def test_hours_that_end_before_everybody_had_their_turn_are_a_blocker_unless_they_begin_again_in_time(
    minutes: int, expires: timedelta, blockers: tuple[str, ...]
) -> None:
    hours = PermittedHours(opens=time(8), closes=time(14), zone="Europe/Berlin")
    event = msgspec.structs.replace(EVENT, expirytime=NOON + expires)
    spread = msgspec.structs.replace(CONTENT, spread_minutes=minutes)
    found = build_broadcast(event, spread, topic=TOPIC, now=NOON, hours=hours)
    estimate = estimate_broadcast(found, 6_000, topic=TOPIC, prices=Prices(), messages_per_second=80)
    assert estimate.blockers == blockers


def test_each_page_names_hours_and_spacing() -> None:
    hours = PermittedHours(opens=time(8), closes=time(20), zone="Europe/Berlin")
    timed = replace(broadcast(), hours=hours, spacing_seconds=0.5)
    batches = [batch(page) for page in build_pages(timed, recipients(150), more=False, now=NOON)]
    assert {(each.hours, each.spacing_seconds) for each in batches} == {(hours, 0.5)}


def test_a_follow_up_is_one_page_that_names_whom_it_follows_and_nobody_else() -> None:
    followed = (UUID(int=1), UUID(int=2))
    (page,) = build_pages(replace(broadcast(), follows=followed), (), more=False, now=NOON)
    message = decode(page.body)
    assert isinstance(message, BroadcastFollowUp)
    assert (message.broadcast, message.follows, message.lane) == (broadcast().id, followed, Lane.BULK)
    assert (page.page, page.recipients, page.last) == (0, 0, True)
