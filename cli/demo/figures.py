"""Figures of a demo, computed from the simulator's account and our ledger, never from the input."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from simulator.client import ACCEPTED_STATES, DELIVERED_STATES, AcceptedMessage

MAX_SECONDS_AFTER_CONFIRMATION = 1.0
MAX_SECONDS_AFTER_ANSWER = 2.0
_ENDED_UNSENT = frozenset({"suppressed", "cancelled", "expired"})


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


def compute_figures(records: DemoRecords) -> dict[str, int]:
    """Compute the figures on the demo's last line from both sides' records."""
    broadcasts = [message for message in records.outbound if message.template]
    replies = [message for message in records.outbound if not message.template]
    return {
        "citizens": records.citizens,
        "subscribed": records.subscribed,
        "replies": len({message.delivery for message in replies}),
        "audience": sum(records.audiences.values()),
        "accepted": len({message.delivery for message in broadcasts}),
        "delivered": len({message.delivery for message in broadcasts if message.state in DELIVERED_STATES}),
        "lost": count_lost(records),
        "duplicates": count_duplicates(records.outbound),
        "after_stop": count_after_stop(broadcasts, records.stopped, records.recovered_at),
        "unaccounted": count_unaccounted(records),
        "peak_1s": records.peak_1s,
    }


def count_lost(records: DemoRecords) -> int:
    """Count citizens' messages, replies and deliveries that were lost rather than dropped on purpose."""
    accepted = {message.delivery for message in records.outbound}
    missing = [row for row in records.ledger if row.delivery not in accepted and row.state not in _ENDED_UNSENT]
    undelivered = [message for message in records.outbound if message.state not in DELIVERED_STATES]
    replies = sum(1 for message in records.outbound if not message.template)
    unhandled = max(0, records.written - records.handled)
    return unhandled + len(missing) + len(undelivered) + max(0, records.replies_due - replies)


def count_duplicates(outbound: Sequence[AcceptedMessage]) -> int:
    """Return the larger of two counts: messages beyond the first for a delivery, broadcasts repeated on one phone."""
    by_delivery = Counter(message.delivery for message in outbound)
    by_citizen_and_text = Counter((message.citizen, message.text) for message in outbound if message.template)
    return max(count.total() - len(count) for count in (by_delivery, by_citizen_and_text))


def count_after_stop(broadcasts: Iterable[AcceptedMessage], stopped: Iterable[StopRecord], recovered_at: float) -> int:
    """Count broadcast messages accepted too long after a "Stop".

    Too long: more than 1 s after its confirmation, whatever failed in between, or more than 2 s after the answer to its
    webhook; if processes were killed, after they were ready again (`recovered_at`).
    """
    deadlines = {}
    for stop in stopped:
        after_answer = max(stop.answered_at, recovered_at) + MAX_SECONDS_AFTER_ANSWER
        confirmed_at = float("inf") if stop.confirmed_at is None else stop.confirmed_at
        deadlines[stop.citizen] = min(after_answer, confirmed_at + MAX_SECONDS_AFTER_CONFIRMATION)
    return sum(message.accepted_at > deadlines.get(message.citizen, float("inf")) for message in broadcasts)


def count_unaccounted(records: DemoRecords) -> int:
    """Count recipients without a row, rows without a recipient, and rows whose state contradicts the simulator."""
    rows = Counter(row.broadcast for row in records.ledger if row.broadcast)
    broadcasts = records.audiences.keys() | rows.keys()
    mismatched = sum(abs(records.audiences.get(broadcast, 0) - rows.get(broadcast, 0)) for broadcast in broadcasts)
    accepted = {message.delivery for message in records.outbound}
    contradicted = sum(1 for row in records.ledger if (row.state in ACCEPTED_STATES) != (row.delivery in accepted))
    return mismatched + contradicted


def find_problems(result: Mapping[str, int], records: DemoRecords) -> list[str]:
    """Return one line for each figure that is wrong; empty if all are right."""
    expected = {
        "subscribed": records.citizens - len(records.stopped),
        "replies": records.replies_due,
        "delivered": result["accepted"],
        **dict.fromkeys(("lost", "duplicates", "after_stop", "unaccounted"), 0),
    }
    problems = [f"{name} should be {value}" for name, value in expected.items() if result[name] != value]
    if result["peak_1s"] > records.limit:
        problems.append(f"peak_1s should not be above {records.limit}")
    if not result["audience"]:
        problems.append("audience should not be 0")
    return problems
