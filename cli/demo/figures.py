"""Figures of a demo, computed from the simulator's account and our ledger, never from the input."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from simulator.client import ACCEPTED_STATES, DELIVERED_STATES, AcceptedMessage

MAX_SECONDS_AFTER_CONFIRMATION = 1.0
MAX_SECONDS_AFTER_ANSWER = 2.0


@dataclass(frozen=True)
class LedgerRow:
    """A delivery in our ledger; a reply has no subscriber."""

    delivery: str
    broadcast: str | None
    state: str


@dataclass(frozen=True)
class StopRecord:
    """A citizen's "Stop": when its webhook was answered, and when the confirmation was accepted."""

    citizen: int
    answered_at: float
    confirmed_at: float | None


@dataclass(frozen=True)
class DemoRecords:
    """The records of both sides: the simulator's account and our ledger."""

    citizens: int
    written: int
    handled: int
    subscribed: int
    replies_due: int
    audiences: Mapping[str, int]
    ledger: Sequence[LedgerRow]
    outbound: Sequence[AcceptedMessage]
    stopped: Sequence[StopRecord]
    peak_1s: int
    limit: int
    recovered_at: float = 0.0


@dataclass(frozen=True)
class DemoFigures:
    """The figures on the demo's last line."""

    citizens: int
    subscribed: int
    replies: int
    audience: int
    accepted: int
    delivered: int
    lost: int
    duplicates: int
    after_stop: int
    unaccounted: int
    peak_1s: int
    seconds: float

    def format_line(self) -> str:
        """Return `name=value` pairs in the order of the fields."""
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        return " ".join(
            f"{name}={value:.1f}" if name == "seconds" else f"{name}={value}" for name, value in shown.items()
        )


def compute_figures(books: DemoRecords, seconds: float) -> DemoFigures:
    """Compute the demo's figures from both sides' records; `seconds` is the duration of the demo."""
    broadcasts = [message for message in books.outbound if message.template]
    replies = [message for message in books.outbound if not message.template]
    return DemoFigures(
        citizens=books.citizens,
        subscribed=books.subscribed,
        replies=len({message.delivery for message in replies}),
        audience=sum(books.audiences.values()),
        accepted=len({message.delivery for message in broadcasts}),
        delivered=len({message.delivery for message in broadcasts if message.state in DELIVERED_STATES}),
        lost=count_lost(books),
        duplicates=count_duplicates(books.outbound),
        after_stop=count_after_stop(broadcasts, books.stopped, recovered_at=books.recovered_at),
        unaccounted=count_unaccounted(books),
        peak_1s=books.peak_1s,
        seconds=seconds,
    )


def count_lost(books: DemoRecords) -> int:
    """Count citizens' messages, replies and deliveries that were lost without a decision against them."""
    got = {message.delivery for message in books.outbound}
    missing = [row for row in books.ledger if row.delivery not in got and row.state not in _ENDED_UNSENT]
    undelivered = [message for message in books.outbound if message.state not in DELIVERED_STATES]
    replies = sum(1 for message in books.outbound if not message.template)
    unheard = max(0, books.written - books.handled)
    return unheard + len(missing) + len(undelivered) + max(0, books.replies_due - replies)


_ENDED_UNSENT = frozenset({"suppressed", "cancelled", "expired"})


def count_duplicates(outbound: Iterable[AcceptedMessage]) -> int:
    """Return the larger of two counts: messages beyond the first for a delivery, broadcasts repeated on one phone."""
    messages = list(outbound)
    by_delivery = Counter(message.delivery for message in messages)
    shown = Counter((message.citizen, message.text) for message in messages if message.template)
    return max(_count_repeats(by_delivery), _count_repeats(shown))


def _count_repeats(counts: Counter[str] | Counter[tuple[int, str]]) -> int:
    return sum(count - 1 for count in counts.values())


def count_after_stop(
    broadcasts: Iterable[AcceptedMessage], stopped: Iterable[StopRecord], *, recovered_at: float = 0.0
) -> int:
    """Count broadcast messages accepted too long after a "Stop".

    Too long: more than 1 s after its confirmation, whatever failed in between, or more than 2 s after the answer to its
    webhook; if processes were killed, after they were ready again (`recovered_at`).
    """
    ends = {stop.citizen: _compute_end(stop, recovered_at) for stop in stopped}
    return sum(1 for message in broadcasts if message.accepted_at > ends.get(message.citizen, float("inf")))


def _compute_end(stop: StopRecord, recovered_at: float) -> float:
    after_answer = max(stop.answered_at, recovered_at) + MAX_SECONDS_AFTER_ANSWER
    if stop.confirmed_at is None:
        return after_answer
    return min(after_answer, stop.confirmed_at + MAX_SECONDS_AFTER_CONFIRMATION)


def count_unaccounted(books: DemoRecords) -> int:
    """Count recipients without a row, rows without a recipient, and rows whose state contradicts the simulator."""
    rows = Counter(row.broadcast for row in books.ledger if row.broadcast)
    broadcasts = books.audiences.keys() | rows.keys()
    off = sum(abs(books.audiences.get(one, 0) - rows.get(one, 0)) for one in broadcasts)
    got = {message.delivery for message in books.outbound}
    contradicted = sum(1 for row in books.ledger if (row.state in ACCEPTED_STATES) != (row.delivery in got))
    return off + contradicted


def find_problems(result: DemoFigures, books: DemoRecords) -> list[str]:
    """Return one line for each figure that is wrong; empty if all are right."""
    expected_active = books.citizens - len(books.stopped)
    checks = {
        f"subscribed should be {expected_active}": result.subscribed == expected_active,
        f"replies should be {books.replies_due}": result.replies == books.replies_due,
        "delivered should be accepted": result.delivered == result.accepted,
        "lost should be 0": result.lost == 0,
        "duplicates should be 0": result.duplicates == 0,
        "after_stop should be 0": result.after_stop == 0,
        "unaccounted should be 0": result.unaccounted == 0,
        f"peak_1s should not be above {books.limit}": result.peak_1s <= books.limit,
        "audience should not be 0": result.audience > 0,
    }
    return [problem for problem, holds in checks.items() if not holds]
