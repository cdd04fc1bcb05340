"""`kreisfunk trace`: the life of one delivery, as far as the ledger keeps it, without personal data."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import typer

from cli.meta_errors import explain_code
from cli.operate.session import explain_wait, refuse, run_on_ledger
from cli.options import DatabaseStack, Json
from cli.output import format_duration, format_pairs, format_table, format_time, print_result
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
# Meaning of each state, for readers who do not know the ledger.
STATES = {
    "waiting": "it waits",
    "claimed": "it is on its way to Meta",
    "unknown": "unknown whether Meta has it: no answer came",
    "accepted": "Meta has accepted it, or an operator settled it as accepted; no status since",
    "sent": "it has left Meta",
    "delivered": "it is on the phone",
    "read": "it was read",
    "failed": "Meta has refused it, or it has failed on its way",
    "expired": "it expired before it could be sent",
    "cancelled": "its broadcast was withdrawn or cancelled before it could be sent",
    "suppressed": 'its recipient said "Stop" before it could be sent',
}
UNFINISHED = ("waiting", "claimed", "unknown")
# Obstacles that delay more than this delivery.
REASONS = {
    "cancelled_reason": "the broadcast was cancelled",
    "paused_reason": "the broadcast is paused",
    "template_reason": "the template is paused",
    "sender_reason": "sending is paused",
}
_FIELDS = ("delivery", "broadcast", "notice", "revision", "topic", "template", "lane", "state", "attempt", "resends")


def show_delivery(
    delivery: Annotated[UUID, typer.Argument(help="Its id, as in logs, `deliveries` and Meta's statuses.")],
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Show the life of one delivery, without personal data.

    The ledger keeps one row for each delivery: when it was requested, claimed and tried, its result, and why it waits.
    It keeps the latest status, but not its time.

    Exit status: 0, 2 wrong command line, 3 not in the ledger, 4 database unavailable or role refused.
    """
    row = run_on_ledger(stack, lambda ledger: ledger.fetchrow(_DELIVERY, delivery))
    if row is None:
        refuse("It is not in the ledger.", _explain_absence(delivery, datetime.now(UTC)))
    trace = _build_trace(row)
    print_result(trace, _format_trace(trace), json=json)


def _explain_absence(delivery: UUID, now: datetime) -> str:
    """Return why a delivery may have no row, judged by the time in its id."""
    milliseconds = delivery.int >> 80
    if delivery.version != TIMED_VERSION or milliseconds > now.timestamp() * 1000:
        return "This is not the id of a delivery."
    made_at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    if now - made_at > timedelta(days=MAX_DELIVERY_RETENTION_DAYS):
        retention = f"rows are deleted after {MAX_DELIVERY_RETENTION_DAYS} days at the latest."
        return f"It is from {made_at:%Y-%m-%d}: {retention}"
    return f"It is from {format_time(made_at)}: its batch may still wait at the broker, or nobody asked for it."


def _build_trace(row: asyncpg.Record) -> dict[str, Any]:
    """Return the life of one delivery.

    `claims` counts how often it was taken to be sent, `attempt` the requests to Meta. Each of the `events` has the
    seconds since the previous one in `after_seconds`.
    """
    code, is_open = row["error_code"], row["state"] in UNFINISHED
    reasons = {name: text for name, text in REASONS.items() if row[name] and (is_open or name == "cancelled_reason")}
    return {
        **{name: row[name] for name in _FIELDS},
        "meaning": _explain_state(row),
        "waits_for": explain_wait(row["waits_for"]) if row["waits_for"] else None,
        "reasons": [f"{text}: {row[name]}" for name, text in reasons.items()],
        "claims": row["claim"],
        "error_code": code,
        "error": None if code is None else explain_code(code).what,
        "events": _list_events(row),
    }


def _list_events(row: asyncpg.Record) -> list[dict[str, Any]]:
    claim = f"taken by a dispatcher to be sent, attempt {row['attempt']}" if row["claim"] else "entered into the ledger"
    moments = [
        (row["published_at"], "its broadcast begins"),
        (row["asked_at"], "asked for"),
        (row["claimed_at"], claim),
        (row["answer_by"], "without Meta's answer until then it is unknown"),
        (row["unknown_at"], "no answer from Meta: unknown"),
        (row["due_at"], "may be taken from then on"),
        (row["expires_at"] if row["state"] in UNFINISHED else None, "not sent from then on"),
        (row["now"], f"now: {_explain_state(row)}"),
    ]
    events: list[dict[str, Any]] = []
    for time, text in sorted(moment for moment in moments if moment[0] is not None):
        after = (time - events[-1]["at"]).total_seconds() if events else None
        events.append({"at": time, "after_seconds": after, "what": text})
    return events


def _explain_state(row: asyncpg.Record) -> str:
    if row["state"] == "failed" and row["error_code"] is None:
        return "it has failed, and Meta has named no reason: it could not be written, or an operator has settled it so"
    return STATES[row["state"]]


def _format_trace(trace: Mapping[str, Any]) -> str:
    attempts = "{attempt}; taken to be sent: {claims}, again after unknown: {resends}"
    message = "broadcast {broadcast} of notice {notice}, revision {revision}, topic {topic}"
    if not trace["broadcast"]:
        message = "reply to a citizen, or of a broadcast that is gone"
    pairs = [
        ("delivery", trace["delivery"]),
        ("message", message.format_map(trace)),
        ("sent as", f"lane {trace['lane']}" + (f", template {trace['template']}" if trace["template"] else "")),
        ("state", f"{trace['state']}: {trace['meaning']}"),
        ("attempts", attempts.format_map(trace)),
    ]
    if trace["error_code"] is not None:
        pairs.append(("error", f"code {trace['error_code']}: {trace['error']}"))
    if trace["waits_for"]:
        pairs.append(("waits for", trace["waits_for"]))
    pairs += [("because", reason) for reason in trace["reasons"]]
    rows = [
        (format_time(event["at"]), _format_distance(event["after_seconds"]), event["what"]) for event in trace["events"]
    ]
    return f"{format_pairs(*pairs)}\n\n{format_table(('time', 'after', ''), rows)}"


def _format_distance(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"+{seconds * 1000:.0f} ms" if seconds < 2 else f"+{format_duration(seconds)}"
