"""Broadcasts built from notices, estimates for them, and pages built from broadcasts."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from services.subscriptions.domain.intents.intent import BAD, GOOD, Intent, build_payload
from services.subscriptions.domain.publication import SOURCE
from shared.contracts.dispatch import (
    BroadcastBatch,
    BroadcastFollowUp,
    PermittedHours,
    Recipient,
    Template,
    TemplateParameter,
)
from shared.contracts.envelope import Envelope, encode
from shared.contracts.hours import find_opening, find_turn
from shared.contracts.ids import derive_id, make_timed_id
from shared.contracts.message import Lane
from shared.contracts.notices import NoticeContent, NoticeUpdated
from shared.notices.configuration import Prices, Topic

MAX_PAGE_RECIPIENTS = 100
STOP_PAYLOAD = "stop"


@dataclass(frozen=True, kw_only=True)
class Broadcast:
    """Broadcast of one revision of a notice.

    `page` is the number of the next page, `audience` the number of recipients on all pages before it. It begins at
    `published_at`, which lies in the future while it is `scheduled`. It is spread over `spread`; once the audience is
    known, this gives `spacing_seconds`, the time between two messages. A follow-up to the notice `follows_notice` goes
    to the recipients of that notice's broadcasts, `follows`, and has no recipients of its own.
    """

    id: UUID
    source: str
    notice: str
    revision: int
    digest: bytes
    topic: str
    municipalities: tuple[str, ...] = ()
    lane: Lane
    template: Template
    published_at: datetime
    expires_at: datetime
    scheduled: bool = False
    hours: PermittedHours | None = None
    spread: timedelta | None = None
    spacing_seconds: float | None = None
    follows_notice: str | None = None
    follows: tuple[UUID, ...] = ()
    page: int = 0
    audience: int = 0


@dataclass(frozen=True, kw_only=True)
class Revision:
    """Revision of a notice, with its broadcast and the digest of its content."""

    broadcast: UUID
    number: int
    digest: bytes
    topic: str
    expires_at: datetime
    cancelled: bool = False


@dataclass(frozen=True, kw_only=True)
class BroadcastPage:
    """Encoded batch; it is published with the same bytes until the broker confirms it."""

    lane: Lane
    page: int
    message_id: UUID
    body: bytes
    recipients: int
    last: bool
    position: UUID | None = None


def build_broadcast(
    envelope: Envelope,
    content: NoticeContent,
    *,
    topic: Topic,
    now: datetime,
    hours: PermittedHours | None = None,
    follows: Iterable[UUID] = (),
    audience: int | None = None,
) -> Broadcast:
    """Return the broadcast of a valid event. An urgent one ignores `hours`.

    It begins as scheduled, or now if that time has passed or none is given. `audience` is the current audience; a
    scheduled broadcast is spread over its audience only when it begins.

    Its id contains the time at which it begins: the ledger retains and purges deliveries by it.
    """
    assert envelope.expirytime is not None  # noqa: S101 - the rules require it
    begins_at, notice = max(content.scheduled_at or now, now), envelope.subject or ""
    revision = content.revision if isinstance(content, NoticeUpdated) else 1
    parts = (b"broadcast", envelope.source.encode(), notice.encode(), str(revision).encode())
    identifier = make_timed_id(begins_at, *parts)
    spread = timedelta(minutes=content.spread_minutes) if content.spread_minutes else None
    return Broadcast(
        id=identifier,
        source=envelope.source,
        notice=notice,
        revision=revision,
        digest=_compute_digest(content, envelope.expirytime),
        topic=topic.id,
        municipalities=content.municipalities,
        lane=Lane.URGENT if content.urgent else Lane.BULK,
        template=build_template(content, topic, identifier),
        published_at=begins_at,
        expires_at=envelope.expirytime,
        scheduled=begins_at > now,
        hours=None if content.urgent else hours,
        spread=spread,
        spacing_seconds=spread.total_seconds() / audience if spread and audience and begins_at <= now else None,
        follows_notice=content.follows,
        follows=tuple(follows),
    )


def _compute_digest(content: NoticeContent, expires_at: datetime) -> bytes:
    """Return a digest that is equal for equal content, however its JSON and its times are formatted."""
    timestamps = (expires_at.timestamp(), content.scheduled_at.timestamp() if content.scheduled_at else None)
    timeless = msgspec.structs.replace(content, scheduled_at=None)
    return hashlib.sha256(msgspec.json.encode((timestamps, timeless))).digest()


def build_template(content: NoticeContent, topic: Topic, broadcast: UUID) -> Template:
    """Return the topic's template with the notice's picture, if any, and with its link after the text.

    Its buttons are Stop and a rating of this broadcast.
    """
    text = f"{content.text} {content.link}" if content.link else content.text
    return Template(
        name=topic.choose_template(content.picture),
        language=topic.language,
        parameters=(
            TemplateParameter(name="headline", text=content.headline),
            TemplateParameter(name="text", text=text),
        ),
        quick_replies=(STOP_PAYLOAD, *(build_payload(Intent.RATING, f"{value}:{broadcast}") for value in (GOOD, BAD))),
        picture=content.picture,
    )


def build_pages(
    broadcast: Broadcast, recipients: Sequence[Recipient], *, more: bool, now: datetime
) -> tuple[BroadcastPage, ...]:
    """Return the next recipients as pages of at most 100; mark the last page unless `more` recipients follow.

    There is always a last page, empty if necessary, since it states the audience. For an expired broadcast it is the
    only page. A follow-up is one page without recipients.
    """
    if broadcast.follows:
        return (_build_follow_up(broadcast),)
    if now >= broadcast.expires_at:
        recipients, more = (), False
    starts = range(0, max(len(recipients), 1), MAX_PAGE_RECIPIENTS)
    return tuple(_build_page(broadcast, recipients, start, last=not more and start == starts[-1]) for start in starts)


def _build_follow_up(broadcast: Broadcast) -> BroadcastPage:
    message_id = derive_id(broadcast.id, b"follow-up")
    message = BroadcastFollowUp(
        broadcast=broadcast.id,
        notice=broadcast.notice,
        revision=broadcast.revision,
        topic=broadcast.topic,
        lane=broadcast.lane,
        template=broadcast.template,
        published_at=broadcast.published_at,
        expires_at=broadcast.expires_at,
        follows=broadcast.follows,
        hours=broadcast.hours,
    )
    body = encode(message, event_id=str(message_id), source=SOURCE, time=broadcast.published_at)
    return BroadcastPage(lane=broadcast.lane, page=0, message_id=message_id, body=body, recipients=0, last=True)


def _build_page(broadcast: Broadcast, recipients: Sequence[Recipient], start: int, *, last: bool) -> BroadcastPage:
    page_recipients = tuple(recipients[start : start + MAX_PAGE_RECIPIENTS])
    page = broadcast.page + start // MAX_PAGE_RECIPIENTS
    message_id = derive_id(broadcast.id, b"page", str(page).encode())
    batch = BroadcastBatch(
        broadcast=broadcast.id,
        notice=broadcast.notice,
        revision=broadcast.revision,
        topic=broadcast.topic,
        lane=broadcast.lane,
        template=broadcast.template,
        published_at=broadcast.published_at,
        expires_at=broadcast.expires_at,
        page=page,
        offset=broadcast.audience + start,
        last=last,
        recipients=page_recipients,
        hours=broadcast.hours,
        spacing_seconds=broadcast.spacing_seconds,
    )
    return BroadcastPage(
        lane=broadcast.lane,
        page=page,
        message_id=message_id,
        body=encode(batch, event_id=str(message_id), source=SOURCE, time=broadcast.published_at),
        recipients=len(page_recipients),
        last=last,
        position=page_recipients[-1].subscriber if page_recipients else None,
    )


_CENT = Decimal("0.01")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Estimate for `notice.accepted`; unknown values are None."""

    audience: int | None = None
    costs: dict[str, str] = field(default_factory=dict)
    duration_seconds: int | None = None
    blockers: tuple[str, ...] = ()


def estimate_broadcast(
    broadcast: Broadcast, audience: int | None, *, topic: Topic, prices: Prices, messages_per_second: float
) -> Estimate:
    """Return the estimate for a broadcast that begins as planned while nothing else is being sent."""
    if audience is None:
        return Estimate(blockers=tuple(_find_blockers(broadcast)))
    price = prices.get_price(topic.category)
    spread_seconds = broadcast.spread.total_seconds() if broadcast.spread and audience else 0
    duration = math.ceil(max(audience / messages_per_second, spread_seconds))
    return Estimate(
        audience=audience,
        costs={} if price is None else {topic.category: str((audience * price).quantize(_CENT, ROUND_HALF_UP))},
        duration_seconds=duration,
        blockers=tuple(_find_blockers(broadcast, audience, duration)),
    )


def _find_blockers(broadcast: Broadcast, audience: int | None = None, duration: int = 0) -> Iterator[str]:
    if audience == 0:
        yield "nobody has subscribed to this"
    begins_at = _find_opening(broadcast, broadcast.published_at)
    if begins_at >= broadcast.expires_at:
        yield f"nobody will get it: it expires before the permitted hours begin at {_format_time(begins_at)}"
        return
    if begins_at > broadcast.published_at:
        yield f"outside the permitted hours until {_format_time(begins_at)}"
    whole_time = timedelta(seconds=duration)
    ends_at, closes_at = begins_at.astimezone(UTC) + whole_time, _find_closing(broadcast, begins_at)
    interrupted_at = closes_at if closes_at and ends_at > closes_at else None
    if ends_at > broadcast.expires_at:
        yield f"not everybody will get it: it takes about {duration} s at today's rate, and expires before"
    elif interrupted_at and _find_opening(broadcast, interrupted_at) >= broadcast.expires_at:
        yield (
            f"not everybody will get it: the permitted hours end at {_format_time(interrupted_at)},"
            " and it expires before they begin again"
        )
    elif interrupted_at and (ends_at := _find_turn(broadcast, begins_at, whole_time)) > broadcast.expires_at:
        end = _format_time(ends_at)
        yield f"not everybody will get it: within the permitted hours it takes until {end}, and expires before"


def _find_opening(broadcast: Broadcast, moment: datetime) -> datetime:
    hours = broadcast.hours
    if hours is None:
        return moment
    return find_opening(hours.opens, hours.closes, hours.zone, moment).astimezone(ZoneInfo(hours.zone))


def _find_turn(broadcast: Broadcast, moment: datetime, waited: timedelta) -> datetime:
    hours = broadcast.hours
    if hours is None:
        return moment + waited
    return find_turn(hours.opens, hours.closes, hours.zone, moment, waited).astimezone(ZoneInfo(hours.zone))


def _find_closing(broadcast: Broadcast, opening: datetime) -> datetime | None:
    """Return the end of the permitted hours around `opening`; None if the broadcast has none."""
    return datetime.combine(opening.date(), broadcast.hours.closes, opening.tzinfo) if broadcast.hours else None


def _format_time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
