"""Whether our books agree with themselves and with Meta's. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator

from cli.demo.figures import FAILED, TAKEN, Outbound
from cli.faults.arrivals import DECIDED
from cli.faults.books import Broadcast, Row
from cli.faults.evidence import Evidence
from cli.faults.findings import UNACCOUNTED, Finding, counted


def unaccounted(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.ours
    rows = Counter(row.broadcast for row in ours.ledger if row.broadcast)
    known = {broadcast.id: broadcast for broadcast in ours.broadcasts}
    for broadcast in known.keys() | rows.keys():
        yield from counted(UNACCOUNTED, f"recipients of {broadcast} off", _off(known.get(broadcast), rows[broadcast]))
    states = Counter((row.broadcast, row.state) for row in ours.ledger if row.broadcast)
    for broadcast, state in sorted(ours.counters.keys() | states.keys()):
        off = abs(ours.counters.get((broadcast, state), 0) - states[broadcast, state])
        yield from counted(UNACCOUNTED, f"counter of {broadcast}, {state}, off", off)
    yield from _contradicted(ours.ledger, evidence.outbound)


def _off(broadcast: Broadcast | None, rows: int) -> int:
    """Of a broadcast that was cancelled some pages may be on the way for ever."""
    if broadcast is None:
        return rows
    if broadcast.cancelled and not broadcast.read_to_end:
        return max(0, rows - broadcast.audience)
    return abs(broadcast.audience - rows)


def _ended_after_a_failure(ours: str, metas: str) -> bool:
    """What Meta reported as failed was to go again, and then was not."""
    return metas == FAILED and ours in DECIDED


def _contradicted(ledger: Iterable[Row], outbound: Iterable[Outbound]) -> Iterator[Finding]:
    """Rows that say something else than the simulator's account; of what vanished we cannot know."""
    furthest: dict[str, str] = {}
    vanished = set()
    for message in outbound:
        if message.vanished:
            vanished.add(message.delivery)
        else:
            furthest[message.delivery] = message.state
    ours = {row.delivery: row.state for row in ledger}
    for delivery in furthest.keys() - ours.keys():
        yield Finding(UNACCOUNTED, "accepted by Meta, no row of ours", delivery)
    for delivery, state in ours.items():
        if (
            delivery in furthest
            and state != furthest[delivery]
            and not _ended_after_a_failure(state, furthest[delivery])
        ):
            yield Finding(UNACCOUNTED, f"we say {state}, Meta says {furthest[delivery]}", delivery)
        if state in TAKEN and delivery not in furthest and delivery not in vanished:
            yield Finding(UNACCOUNTED, f"we say {state}, Meta never had it", delivery)
