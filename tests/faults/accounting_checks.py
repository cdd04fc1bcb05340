"""Checks that our ledger is consistent, and that it agrees with Meta's records. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator

from simulator.client import ACCEPTED_STATES, FAILED, AcceptedMessage
from tests.faults.delivery_checks import ENDED_UNSENT
from tests.faults.evidence import Evidence
from tests.faults.ledger_snapshot import BroadcastSnapshot, DeliverySnapshot
from tests.faults.violations import Figure, Violation, report_count


def find_unaccounted(evidence: Evidence) -> Iterator[Violation]:
    ours = evidence.ours
    rows = Counter(row.broadcast for row in ours.ledger if row.broadcast)
    known = {broadcast.id: broadcast for broadcast in ours.broadcasts}
    for broadcast in known.keys() | rows.keys():
        yield from report_count(
            Figure.UNACCOUNTED,
            f"recipients of {broadcast} off",
            _count_difference(known.get(broadcast), rows[broadcast]),
        )
    states = Counter((row.broadcast, row.state) for row in ours.ledger if row.broadcast)
    for broadcast, state in sorted(ours.counters.keys() | states.keys()):
        off = abs(ours.counters.get((broadcast, state), 0) - states[broadcast, state])
        yield from report_count(Figure.UNACCOUNTED, f"counter of {broadcast}, {state}, off", off)
    yield from _find_contradictions(ours.ledger, evidence.outbound)


def _count_difference(broadcast: BroadcastSnapshot | None, rows: int) -> int:
    """Return the number of missing or surplus rows.

    The last pages of a cancelled broadcast may never be expanded, so missing rows are permitted there.
    """
    if broadcast is None:
        return rows
    if broadcast.cancelled and not broadcast.read_to_end:
        return max(0, rows - broadcast.audience)
    return abs(broadcast.audience - rows)


def _is_ended_after_failure(ours: str, metas: str) -> bool:
    """Return whether Meta reported a failure, and the retry that we planned was then dropped."""
    return metas == FAILED and ours in ENDED_UNSENT


def _find_contradictions(
    ledger: Iterable[DeliverySnapshot], outbound: Iterable[AcceptedMessage]
) -> Iterator[Violation]:
    """Yield rows that disagree with the simulator's log; messages that vanished are unknowable and skipped."""
    furthest: dict[str, str] = {}
    vanished = set()
    for message in outbound:
        if message.vanished:
            vanished.add(message.delivery)
        else:
            furthest[message.delivery] = message.state
    ours = {row.delivery: row.state for row in ledger}
    for delivery in furthest.keys() - ours.keys():
        yield Violation(Figure.UNACCOUNTED, "accepted by Meta, no row of ours", delivery)
    for delivery, state in ours.items():
        if (
            delivery in furthest
            and state != furthest[delivery]
            and not _is_ended_after_failure(state, furthest[delivery])
        ):
            yield Violation(Figure.UNACCOUNTED, f"we say {state}, Meta says {furthest[delivery]}", delivery)
        if state in ACCEPTED_STATES and delivery not in furthest and delivery not in vanished:
            yield Violation(Figure.UNACCOUNTED, f"we say {state}, Meta never had it", delivery)
