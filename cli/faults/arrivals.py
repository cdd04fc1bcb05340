"""What arrived at whom: lost, doubled, misdirected. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from cli.demo.figures import FAILED, TAKEN, Outbound
from cli.faults.books import Row
from cli.faults.catalogue import KEPT_BACK
from cli.faults.evidence import Evidence
from cli.faults.findings import DUPLICATES, LOST, MISDIRECTED, Finding, counted
from cli.faults.publisher import Published
from cli.faults.talk import ERASE
from services.dispatcher.adapters.ledger import MOST_RESENT

DECIDED = frozenset({"suppressed", "cancelled", "expired"})
# The number to which it should have gone is not on WhatsApp (any more).
GONE = 131026


def lost(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.ours
    got = {message.delivery for message in arrived(evidence.outbound)}
    failed = {message.delivery for message in evidence.outbound if message.state == FAILED}
    for row in ours.ledger:
        if row.delivery not in got and row.state not in DECIDED and not _left_to_a_person(row, failed):
            code = f" with {row.error_code}" if row.error_code else ""
            yield Finding(LOST, f"never accepted by Meta, {row.state}{code}", row.delivery)
    yield from counted(LOST, "messages of citizens not decided upon", len(evidence.written) - ours.handled)
    replies = sum(1 for row in ours.ledger if row.broadcast is None)
    yield from counted(LOST, "replies that have no row", ours.replies_due - replies)
    yield from _notices(evidence)
    yield from _missed(evidence)


def arrived(outbound: Iterable[Outbound]) -> Iterator[Outbound]:
    """What Meta accepted and did not report as failed afterwards."""
    return (message for message in outbound if message.state != FAILED)


def _left_to_a_person(row: Row, failed: Collection[str]) -> bool:
    """Unknown again and again although Meta never had it, or failed by Meta's word: shown until a person decides."""
    if row.state == FAILED:
        return row.delivery in failed or row.error_code == GONE
    return row.state == "unknown" and row.resends >= MOST_RESENT


def _notices(evidence: Evidence) -> Iterator[Finding]:
    known = {broadcast.notice for broadcast in evidence.ours.broadcasts}
    for published in evidence.published:
        if published.lasting and published.notice not in known:
            yield Finding(LOST, f"notice {published.notice} was confirmed and never became a broadcast")


def _missed(evidence: Evidence) -> Iterator[Finding]:
    """Loyal citizens who did not get a lasting notice, whatever our ledger says; those that it admits apart.

    The last notice went out when all was quiet, so whoever moved has to get it as well. A correction is for those whom
    the ledger knows to have got what it corrects.
    """
    got = {message.delivery: message.citizen for message in arrived(evidence.outbound)}
    admitted = Counter(row.broadcast for row in evidence.ours.ledger if row.delivery not in got and _admitted(row))
    shown = shown_to(evidence.outbound)
    broadcasts = {broadcast.notice: broadcast.id for broadcast in evidence.ours.broadcasts}
    for published in evidence.published:
        if published.lasting and published.notice in broadcasts:
            expected = _expected(evidence, published, got, broadcasts)
            missing = len(expected - shown[published.headline]) - admitted[broadcasts[published.notice]]
            yield from counted(LOST, f"citizens who never got {published.notice}", missing)


def _admitted(row: Row) -> bool:
    """Whoever stays is never to be decided against, and what Meta held back goes again at the end by command."""
    return row.state not in DECIDED and not (row.state == FAILED and row.error_code == KEPT_BACK)


def _expected(
    evidence: Evidence, published: Published, got: Mapping[str, int], broadcasts: Mapping[str, str]
) -> frozenset[int]:
    if published.follows is None:
        last = published == evidence.published[-1]
        return evidence.loyal | (evidence.movers if last else frozenset())
    earlier = broadcasts.get(published.follows)
    served = (row.delivery for row in evidence.ours.ledger if row.broadcast == earlier and row.state in TAKEN)
    return evidence.loyal & {got[delivery] for delivery in served if delivery in got}


def shown_to(outbound: Iterable[Outbound]) -> Mapping[str, set[int]]:
    """Who got which headline."""
    shown: dict[str, set[int]] = defaultdict(set)
    for message in arrived(outbound):
        if message.template:
            shown[_headline(message.text)].add(message.citizen)
    return shown


def misdirected(evidence: Evidence) -> Iterator[Finding]:
    """Corrections to people who never got what they correct, save where nobody could know that they had not."""
    shown = shown_to(evidence.outbound)
    got = {message.delivery for message in arrived(evidence.outbound)}
    doubtful = Counter(row.broadcast for row in evidence.ours.ledger if row.delivery not in got and _was_unknown(row))
    headlines = {published.notice: published.headline for published in evidence.published}
    broadcasts = {broadcast.notice: broadcast.id for broadcast in evidence.ours.broadcasts}
    for published in evidence.published:
        if published.follows:
            astray = len(shown[published.headline] - shown[headlines[published.follows]])
            allowed = doubtful[broadcasts.get(published.follows)] + evidence.settled
            yield from counted(MISDIRECTED, f"citizens who got {published.notice} and nothing before", astray - allowed)


def _was_unknown(row: Row) -> bool:
    return row.state == "unknown" or row.resends > 0


def unavoidable(outbound: Iterable[Outbound]) -> int:
    """Second messages after one that was accepted and of which nobody could ever tell us."""
    vanished = Counter(message.delivery for message in outbound if message.vanished)
    accepted = Counter(message.delivery for message in arrived(outbound))
    return sum(min(accepted[delivery] - 1, count) for delivery, count in vanished.items())


def duplicates(evidence: Evidence) -> Iterator[Finding]:
    outbound = list(arrived(evidence.outbound))
    vanished = Counter(message.delivery for message in outbound if message.vanished)
    accepted = Counter(message.delivery for message in outbound)
    # Whoever was erased and came back is somebody new to us.
    erased = Counter(one.citizen for one in evidence.written if one.text == ERASE)
    for delivery, count in accepted.items():
        yield from _twice("accepted more than once", delivery, count - 1 - vanished[delivery])
    shown: dict[tuple[int, str], set[str]] = defaultdict(set)
    for message in outbound:
        if message.template:
            shown[message.citizen, message.text].add(message.delivery)
    for (citizen, _), deliveries in shown.items():
        more = len(deliveries) - 1 - erased[citizen]
        yield from _twice("one broadcast to one citizen as several deliveries", min(deliveries), more)


def _twice(what: str, delivery: str, count: int) -> Iterator[Finding]:
    if count > 0:
        yield Finding(DUPLICATES, what, delivery, count)


def _headline(text: str) -> str:
    """The templates print it in bold."""
    found = _BOLD.search(text)
    return found[1] if found else ""


_BOLD = re.compile(r"\*([^*]+)\*")
