"""Checks of what citizens received, and that the ledger is consistent and agrees with Meta's records. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator

from services.dispatcher.adapters.ledger_results import MAX_RESENDS
from simulator.client import ACCEPTED_STATES, FAILED, AcceptedMessage
from tests.faults.citizen_traffic import ERASE
from tests.faults.evidence import Evidence
from tests.faults.fault_types import HELD_BACK_CODE
from tests.faults.ledger_snapshot import BroadcastSnapshot, DeliverySnapshot
from tests.faults.notice_traffic import PublishedNotice
from tests.faults.violations import Figure, Violation, report_count

ENDED_UNSENT = frozenset({"suppressed", "cancelled", "expired"})
# The recipient's number is not on WhatsApp (any more).
NOT_ON_WHATSAPP = 131026


def find_lost(evidence: Evidence) -> Iterator[Violation]:
    ours = evidence.ours
    failed = {message.delivery for message in evidence.outbound if message.state == FAILED}
    for row in evidence.missed:
        if row.state not in ENDED_UNSENT and not _is_left_to_operator(row, failed):
            code = f" with {row.error_code}" if row.error_code else ""
            yield Violation(Figure.LOST, f"never accepted by Meta, {row.state}{code}", row.delivery)
    yield from report_count(Figure.LOST, "messages of citizens not decided upon", len(evidence.written) - ours.handled)
    replies = sum(1 for row in ours.ledger if row.broadcast is None)
    yield from report_count(Figure.LOST, "replies that have no row", ours.replies_due - replies)
    for published in evidence.published:
        if published.lasting and published.notice not in evidence.broadcast_ids:
            yield Violation(Figure.LOST, f"notice {published.notice} was confirmed and never became a broadcast")
    yield from _find_missed(evidence)


def _is_left_to_operator(row: DeliverySnapshot, failed: Collection[str]) -> bool:
    """Return whether only an operator can decide: repeatedly unknown although Meta never had it, or failed at Meta."""
    if row.state == FAILED:
        return row.delivery in failed or row.error_code == NOT_ON_WHATSAPP
    return row.state == "unknown" and row.resends >= MAX_RESENDS


def _find_missed(evidence: Evidence) -> Iterator[Violation]:
    """Yield lasting notices that loyal citizens did not get, beyond the failures that the ledger admits.

    The last notice was sent after all faults, so citizens who changed their number have to get it too. A correction is
    due to those who, according to the ledger, got the corrected notice.
    """
    admitted = Counter(row.broadcast for row in evidence.missed if _is_admitted(row))
    for published in evidence.published:
        broadcast = evidence.broadcast_ids.get(published.notice)
        if published.lasting and broadcast:
            expected = _select_expected(evidence, published)
            missing = len(expected - evidence.recipients[published.headline]) - admitted[broadcast]
            yield from report_count(Figure.LOST, f"citizens who never got {published.notice}", missing)


def _is_admitted(row: DeliverySnapshot) -> bool:
    """Return whether the ledger admits that this delivery failed.

    Suppression, cancellation and expiry never excuse a missing lasting notice; messages held back by Meta are resent at
    the end.
    """
    return row.state not in ENDED_UNSENT and not (row.state == FAILED and row.error_code == HELD_BACK_CODE)


def _select_expected(evidence: Evidence, published: PublishedNotice) -> frozenset[int]:
    if published.follows is None:
        last = published == evidence.published[-1]
        return evidence.loyal | (evidence.movers if last else frozenset())
    earlier = evidence.broadcast_ids.get(published.follows)
    served = {row.delivery for row in evidence.ours.ledger if row.broadcast == earlier and row.state in ACCEPTED_STATES}
    return evidence.loyal & {message.citizen for message in evidence.delivered if message.delivery in served}


def find_misdirected(evidence: Evidence) -> Iterator[Violation]:
    """Yield corrections to citizens who never got the corrected notice, unless the ledger could not know that."""
    doubtful = Counter(row.broadcast for row in evidence.missed if row.state == "unknown" or row.resends)
    headlines = {published.notice: published.headline for published in evidence.published}
    for published in evidence.published:
        if published.follows:
            earlier = evidence.recipients[headlines[published.follows]]
            allowed = doubtful[evidence.broadcast_ids.get(published.follows)] + evidence.settled
            misdirected = len(evidence.recipients[published.headline] - earlier) - allowed
            what = f"citizens who got {published.notice} and nothing before"
            yield from report_count(Figure.MISDIRECTED, what, misdirected)


def count_unavoidable(evidence: Evidence) -> int:
    """Count unavoidable duplicates: messages resent after one was accepted without any answer or status."""
    vanished = Counter(message.delivery for message in evidence.delivered if message.vanished)
    accepted = Counter(message.delivery for message in evidence.delivered)
    return sum(min(accepted[delivery] - 1, count) for delivery, count in vanished.items())


def find_duplicates(evidence: Evidence) -> Iterator[Violation]:
    vanished = Counter(message.delivery for message in evidence.delivered if message.vanished)
    accepted = Counter(message.delivery for message in evidence.delivered)
    # A citizen who returns after an erasure is a new subscriber to us.
    erased = Counter(message.citizen for message in evidence.written if message.text == ERASE)
    for delivery, count in accepted.items():
        yield from report_count(Figure.DUPLICATES, "accepted more than once", count - 1 - vanished[delivery], delivery)
    by_text: dict[tuple[int, str], set[str]] = defaultdict(set)
    for message in evidence.delivered:
        if message.template:
            by_text[message.citizen, message.text].add(message.delivery)
    for (citizen, _), deliveries in by_text.items():
        surplus = len(deliveries) - 1 - erased[citizen]
        yield from report_count(
            Figure.DUPLICATES, "one broadcast to one citizen as several deliveries", surplus, min(deliveries)
        )


def find_unaccounted(evidence: Evidence) -> Iterator[Violation]:
    ours = evidence.ours
    rows = Counter(row.broadcast for row in ours.ledger if row.broadcast)
    known = {broadcast.id: broadcast for broadcast in ours.broadcasts}
    for broadcast in known.keys() | rows.keys():
        difference = _count_difference(known.get(broadcast), rows[broadcast])
        yield from report_count(Figure.UNACCOUNTED, f"recipients of {broadcast} off", difference)
    states = Counter((row.broadcast, row.state) for row in ours.ledger if row.broadcast)
    for broadcast, state in sorted(ours.counters.keys() | states.keys()):
        difference = abs(ours.counters.get((broadcast, state), 0) - states[broadcast, state])
        yield from report_count(Figure.UNACCOUNTED, f"counter of {broadcast}, {state}, off", difference)
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
        # Meta reported a failure, and the retry that we planned was then dropped.
        ended = furthest.get(delivery) == FAILED and state in ENDED_UNSENT
        if furthest.get(delivery, state) != state and not ended:
            yield Violation(Figure.UNACCOUNTED, f"we say {state}, Meta says {furthest[delivery]}", delivery)
        if state in ACCEPTED_STATES and delivery not in furthest and delivery not in vanished:
            yield Violation(Figure.UNACCOUNTED, f"we say {state}, Meta never had it", delivery)
