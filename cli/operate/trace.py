"""`kreisfunk trace`: the life of one delivery, as far as the ledger keeps it, without personal data."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import asyncpg
import typer

from cli.operate.session import Stack, print_result, refuse, run_on_ledger
from cli.operate.tables import format_duration, format_pairs, format_table
from cli.operate.wait_reasons import explain_wait
from cli.options import Json
from cli.setup.refusals import explain_code
from shared.contracts.retention import MAX_DELIVERY_RETENTION_DAYS

_DELIVERY = """
select d.id as delivery, d.lane::text, d.state::text, d.asked_at, d.claimed_at, d.answer_by, d.unknown_at, d.due_at,
    d.expires_at, d.waits_for::text, d.attempt, d.claim, d.resends, d.error_code, clock_timestamp() as now,
    b.id as broadcast, b.notice, b.revision, b.topic, b.template, b.published_at, b.paused_reason,
    (select x.reason from dispatcher.cancellation x where x.broadcast = b.id) as cancelled_reason,
    (select h.reason from dispatcher.template_pause h where h.template = b.template) as template_reason,
    (select string_agg(r.paused_reason, '; ') from dispatcher.rate r) as sender_reason
from dispatcher.delivery d left join dispatcher.broadcast b on d.subscriber is not null and b.id = d.source
where d.id = $1
"""
TIMED_VERSION = 8
# What a state means, for whoever does not know the ledger.
STATES = {
    "waiting": "it waits",
    "claimed": "it is on its way to Meta",
    "unknown": "nobody knows whether Meta has it: no answer came",
    "accepted": "Meta has accepted it, and has said nothing since",
    "sent": "it has left Meta",
    "delivered": "it is on the phone",
    "read": "it was read",
    "failed": "Meta has refused it, or it has failed on its way",
    "expired": "it expired before it could be sent",
    "cancelled": "its broadcast was withdrawn or cancelled before it could be sent",
    "suppressed": 'its recipient said "Stop" before it could be sent',
}
UNFINISHED = ("waiting", "claimed", "unknown")


@dataclass(frozen=True, kw_only=True)
class DeliveryEvent:
    """A moment in the life of a delivery; `after_seconds` is the distance to the one before."""

    at: datetime
    after_seconds: float | None
    what: str


@dataclass(frozen=True, kw_only=True)
class DeliveryTrace:
    """The life of one delivery. `claims` counts how often it was taken to be sent, `attempt` what Meta got of that."""

    delivery: UUID
    broadcast: UUID | None
    notice: str | None
    revision: int | None
    topic: str | None
    template: str | None
    lane: str
    state: str
    meaning: str
    waits_for: str | None
    reasons: Sequence[str]
    attempt: int
    claims: int
    resends: int
    error_code: int | None
    error: str | None
    events: Sequence[DeliveryEvent]


def show_delivery(
    delivery: Annotated[UUID, typer.Argument(help="Its id, as logs, `deliveries` and Meta's statuses name it.")],
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Show the life of one delivery, without personal data.

    The ledger keeps one row for each delivery: when it was asked for, taken and tried, what became of it, and why it
    waits. It keeps how far a status has come, not when.

    Exit status: 0, 2 wrong command line, 3 not in the ledger, 4 database unavailable or role refused.
    """
    row = run_on_ledger(stack, lambda ledger: ledger.fetchrow(_DELIVERY, delivery))
    if row is None:
        refuse("It is not in the ledger.", explain_absence(delivery, datetime.now(UTC)))
    found = build_trace(row)
    print_result(asdict(found), format_trace(found), json=json)


def explain_absence(delivery: UUID, now: datetime) -> str:
    """Return why a delivery may have no row, by the time that begins its id."""
    milliseconds = delivery.int >> 80
    if delivery.version != TIMED_VERSION or milliseconds > now.timestamp() * 1000:
        return "This is no id of a delivery."
    made_at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    if now - made_at > timedelta(days=MAX_DELIVERY_RETENTION_DAYS):
        return (
            f"It is from {made_at:%Y-%m-%d}: rows are deleted after {MAX_DELIVERY_RETENTION_DAYS} days at the latest."
        )
    return f"It is from {made_at:%Y-%m-%d %H:%M} UTC: its batch may still wait at the broker, or nobody asked for it."


def build_trace(row: asyncpg.Record) -> DeliveryTrace:
    """Return the trace of a row of the ledger."""
    code, copied = row["error_code"], ("delivery", "broadcast", "notice", "revision", "topic", "template", "lane")
    return DeliveryTrace(
        **{name: row[name] for name in copied},
        state=row["state"],
        meaning=STATES[row["state"]],
        waits_for=explain_wait(row["waits_for"]) if row["waits_for"] else None,
        reasons=list(_list_reasons(row)),
        attempt=row["attempt"],
        claims=row["claim"],
        resends=row["resends"],
        error_code=code,
        error=None if code is None else _explain_error(code),
        events=_list_events(row),
    )


def _explain_error(code: int) -> str:
    """Return what a code means; codes from 400 to 599 are HTTP statuses, recorded where Meta gives no code."""
    return f"HTTP status {code} without a code" if code in range(400, 600) else explain_code(code).what


def _list_reasons(row: asyncpg.Record) -> Iterator[str]:
    """Yield what holds back more than this delivery."""
    if row["cancelled_reason"]:
        yield f"the broadcast was cancelled: {row['cancelled_reason']}"
    if row["state"] not in UNFINISHED:
        return
    if row["paused_reason"]:
        yield f"the broadcast is paused: {row['paused_reason']}"
    if row["template_reason"]:
        yield f"the template is paused: {row['template_reason']}"
    if row["sender_reason"]:
        yield f"sending is paused: {row['sender_reason']}"


def _list_events(row: asyncpg.Record) -> list[DeliveryEvent]:
    moments = sorted((at, what) for at, what in _list_moments(row) if at is not None)
    before = (None, *(at for at, _ in moments))
    return [
        DeliveryEvent(at=at, after_seconds=None if last is None else (at - last).total_seconds(), what=what)
        for (at, what), last in zip(moments, before, strict=False)
    ]


def _list_moments(row: asyncpg.Record) -> Iterator[tuple[datetime | None, str]]:
    yield row["published_at"], "its broadcast begins"
    yield row["asked_at"], "asked for"
    taken = f"taken by a dispatcher to be sent, attempt {row['attempt']}" if row["claim"] else "entered into the ledger"
    yield row["claimed_at"], taken
    yield row["answer_by"], "without Meta's answer until then it is unknown"
    yield row["unknown_at"], "no answer from Meta: unknown"
    yield row["due_at"], "may be taken from then on"
    if row["state"] in UNFINISHED:
        yield row["expires_at"], "not sent from then on"
    yield row["now"], f"now: {STATES[row['state']]}"


def format_trace(found: DeliveryTrace) -> str:
    """Format the delivery, its moments with distances, and why it waits."""
    of_notice = f"broadcast {found.broadcast} of notice {found.notice}, revision {found.revision}, topic {found.topic}"
    pairs = [
        ("delivery", found.delivery),
        ("message", of_notice if found.broadcast else "reply to a citizen, or of a broadcast that is gone"),
        ("sent as", f"lane {found.lane}" + (f", template {found.template}" if found.template else "")),
        ("state", f"{found.state}: {found.meaning}"),
        ("attempts", f"{found.attempt}; taken to be sent: {found.claims}, again after unknown: {found.resends}"),
    ]
    if found.error_code is not None:
        pairs.append(("error", f"code {found.error_code}: {found.error}"))
    if found.waits_for:
        pairs.append(("waits for", found.waits_for))
    pairs += [("because", reason) for reason in found.reasons]
    rows = [
        (f"{event.at.astimezone():%Y-%m-%d %H:%M:%S}", _format_distance(event), event.what) for event in found.events
    ]
    return f"{format_pairs(*pairs)}\n\n{format_table(('time', 'after', ''), rows)}"


def _format_distance(event: DeliveryEvent) -> str:
    seconds = event.after_seconds
    if seconds is None:
        return ""
    return f"+{seconds * 1000:.0f} ms" if seconds < 2 else f"+{format_duration(seconds)}"
