"""Broadcasts for a person at a terminal."""

from collections.abc import Sequence

from cli.operate.ledger import Shown
from cli.operate.tables import moment, pairs, table
from cli.operate.waits import waiting_words

_OVERVIEW = (
    *("broadcast", "notice", "rev", "lane", "state"),
    *("audience", "accepted", "failed", "unknown", "waiting", "headline"),
)
SCHEDULED = "scheduled"
LONGEST_HEADLINE = 40
_BOOKS = ("accepted", "failed", "expired", "cancelled", "suppressed", "unknown", "waiting")


def overview(broadcasts: Sequence[Shown]) -> str:
    """A line for each."""
    if not broadcasts:
        return "no broadcasts"
    return table(_OVERVIEW, [_line(broadcast) for broadcast in broadcasts])


def _line(shown: Shown) -> tuple[object, ...]:
    books = shown.books
    return (
        *(shown.broadcast, shown.notice, shown.revision, shown.lane, shown.standing),
        *(books.audience, books.accepted, books.failed, books.unknown, books.waiting),
        shorten(shown.headline or "-"),
    )


def shorten(headline: str) -> str:
    """What fits into a line beside the rest."""
    return headline if len(headline) <= LONGEST_HEADLINE else f"{headline[: LONGEST_HEADLINE - 1]}…"


def page(shown: Shown) -> str:
    """Everything about one."""
    parts = [_head(shown), _books(shown)]
    if shown.waits:
        waits = [(wait.deliveries, waiting_words(wait.cause), moment(wait.due_at)) for wait in shown.waits]
        parts.append(table(("waiting", "for", "first due"), waits))
    if shown.failures:
        failures = [(failure.deliveries, str(failure.code or "-"), failure.reason) for failure in shown.failures]
        parts.append(table(("failed", "code", "Grund"), failures))
    return "\n\n".join(parts)


def _head(shown: Shown) -> str:
    state = f"{shown.standing}: {shown.reason}" if shown.reason else shown.standing
    return pairs(
        ("broadcast", shown.broadcast),
        ("notice", f"{shown.notice} revision {shown.revision}"),
        ("headline", shown.headline or "-"),
        ("topic", f"{shown.topic}, lane {shown.lane}, template {shown.template}"),
        ("state", state),
        ("begins" if shown.standing == SCHEDULED else "published", moment(shown.published_at)),
        ("expires", moment(shown.expires_at)),
        ("finished", moment(shown.finished_at)),
        (
            "hours",
            f"{shown.opens:%H:%M} to {shown.closes:%H:%M} {shown.zone}" if shown.opens and shown.closes else "any",
        ),
        ("spread", f"{shown.spacing_seconds:g} s between two" if shown.spacing_seconds else "none"),
    )


def _books(shown: Shown) -> str:
    books = shown.books
    steps = ", ".join(f"{count} {state}" for state, count in shown.steps.items() if count)
    rows = [("audience", books.audience, _reading(shown))]
    rows += [(name, getattr(books, name), f"= {steps}" if name == "accepted" and steps else "") for name in _BOOKS]
    rows.append(("unaccounted", books.unaccounted, "" if not books.unaccounted else "report this: it must be 0"))
    return table(("recipients", "number", ""), rows)


def _reading(shown: Shown) -> str:
    if shown.standing == SCHEDULED:
        return "so far: everybody is read when it begins"
    return "" if shown.books.complete else "so far: not everybody has been read"
