"""Broadcasts as text for a terminal."""

from collections.abc import Sequence

from cli.operate.ledger import BroadcastView
from cli.operate.tables import format_pairs, format_table, format_time
from cli.operate.wait_reasons import explain_wait

_OVERVIEW = (
    *("broadcast", "notice", "rev", "lane", "state"),
    *("audience", "accepted", "failed", "unknown", "waiting", "headline"),
)
SCHEDULED = "scheduled"
MAX_HEADLINE_LENGTH = 40
_BOOKS = ("accepted", "failed", "expired", "cancelled", "suppressed", "unknown", "waiting")


def format_overview(broadcasts: Sequence[BroadcastView]) -> str:
    """Format one line for each broadcast."""
    if not broadcasts:
        return "no broadcasts"
    return format_table(_OVERVIEW, [_format_line(broadcast) for broadcast in broadcasts])


def _format_line(shown: BroadcastView) -> tuple[object, ...]:
    books = shown.books
    return (
        *(shown.broadcast, shown.notice, shown.revision, shown.lane, shown.standing),
        *(books.audience, books.accepted, books.failed, books.unknown, books.waiting),
        truncate_headline(shown.headline or "-"),
    )


def truncate_headline(headline: str) -> str:
    """Shorten a headline to 40 characters, so that it fits into a table row."""
    return headline if len(headline) <= MAX_HEADLINE_LENGTH else f"{headline[: MAX_HEADLINE_LENGTH - 1]}…"


def format_page(shown: BroadcastView) -> str:
    """Format all details of one broadcast."""
    parts = [_format_head(shown), _format_recipients(shown)]
    if shown.waits:
        waits = [(wait.deliveries, explain_wait(wait.cause), format_time(wait.due_at)) for wait in shown.waits]
        parts.append(format_table(("waiting", "for", "first due"), waits))
    if shown.failures:
        failures = [(failure.deliveries, str(failure.code or "-"), failure.reason) for failure in shown.failures]
        parts.append(format_table(("failed", "code", "Grund"), failures))
    return "\n\n".join(parts)


def _format_head(shown: BroadcastView) -> str:
    state = f"{shown.standing}: {shown.reason}" if shown.reason else shown.standing
    return format_pairs(
        ("broadcast", shown.broadcast),
        ("notice", f"{shown.notice} revision {shown.revision}"),
        ("headline", shown.headline or "-"),
        ("topic", f"{shown.topic}, lane {shown.lane}, template {shown.template}"),
        ("state", state),
        ("begins" if shown.standing == SCHEDULED else "published", format_time(shown.published_at)),
        ("expires", format_time(shown.expires_at)),
        ("finished", format_time(shown.finished_at)),
        (
            "hours",
            f"{shown.opens:%H:%M} to {shown.closes:%H:%M} {shown.zone}" if shown.opens and shown.closes else "any",
        ),
        ("spread", f"{shown.spacing_seconds:g} s between two" if shown.spacing_seconds else "none"),
    )


def _format_recipients(shown: BroadcastView) -> str:
    books = shown.books
    steps = ", ".join(f"{count} {state}" for state, count in shown.steps.items() if count)
    rows = [("audience", books.audience, _explain_audience(shown))]
    rows += [(name, getattr(books, name), f"= {steps}" if name == "accepted" and steps else "") for name in _BOOKS]
    rows.append(("unaccounted", books.unaccounted, "" if not books.unaccounted else "report this: it must be 0"))
    return format_table(("recipients", "number", ""), rows)


def _explain_audience(shown: BroadcastView) -> str:
    if shown.standing == SCHEDULED:
        return "so far: everybody is read when it begins"
    return "" if shown.books.complete else "so far: not everybody has been read"
