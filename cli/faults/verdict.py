"""The comparison of both sides' books. Pure; each figure says what was found, never what was intended."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cli.demo.figures import TAKEN, Outbound
from cli.faults.books import Broadcast, Row
from cli.faults.evidence import Evidence
from cli.faults.hands import Done
from cli.faults.leaks.needles import PLAIN
from cli.faults.stops import AfterStop, after_stop
from cli.faults.timing import Windows, recovery, troubled, windows
from deploy.local.detours import GRAPH
from services.dispatcher.adapters.ledger import MOST_RESENT

DECIDED = frozenset({"suppressed", "cancelled", "expired"})
# Between the last look at the clock and the acceptance lies the way to Meta.
WAY_SECONDS = 0.25
RATE, LOST, DUPLICATES, AFTER_STOP, LATE, UNACCOUNTED, LEAKS = (
    "rate",
    "lost",
    "duplicates",
    "after_stop",
    "late",
    "unaccounted",
    "leaks",
)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it has to be, without an address; `delivery` tells where to look."""

    figure: str
    what: str
    delivery: str | None = None
    count: int = 1


@dataclass(frozen=True)
class Verdict:
    """The figures of a run."""

    deliveries: int
    accepted: int
    replies: int
    findings: tuple[Finding, ...]
    windows: Windows
    limit: int
    resent: int
    unavoidable: int
    still_unknown: int
    stop_disturbed: int
    states: Mapping[str, int]
    recoveries: tuple[float | None, ...]

    def count(self, figure: str) -> int:
        return sum(finding.count for finding in self.findings if finding.figure == figure)

    @property
    def holds(self) -> bool:
        """Nothing was found, not even too high a rate."""
        return not self.findings


def judge(evidence: Evidence) -> Verdict:
    """All figures."""
    moments = sorted(message.accepted_at for message in evidence.outbound)
    recoveries = tuple(recovery(fault, moments, evidence.limit) for fault in evidence.faults)
    stops = after_stop(evidence, troubled(evidence.faults, recoveries))
    seconds = windows(moments, evidence.limit, sorted(evidence.stalls), _jitter(evidence.faults))
    found = (
        *_lost(evidence),
        *_duplicates(evidence.outbound),
        *_stops(stops),
        *_late(evidence),
        *_unaccounted(evidence),
        *_rate(seconds, evidence.limit),
        *_leaks(evidence),
    )
    broadcasts = [row for row in evidence.ours.ledger if row.broadcast]
    return Verdict(
        deliveries=len(broadcasts),
        accepted=sum(1 for message in evidence.outbound if message.template),
        replies=sum(1 for message in evidence.outbound if not message.template),
        findings=found,
        windows=seconds,
        limit=evidence.limit,
        resent=sum(1 for row in evidence.ours.ledger if row.resends),
        unavoidable=unavoidable(evidence.outbound),
        still_unknown=sum(1 for row in evidence.ours.ledger if row.state == "unknown"),
        stop_disturbed=len(stops.disturbed),
        states=Counter(row.state for row in broadcasts),
        recoveries=recoveries,
    )


def _leaks(evidence: Evidence) -> Iterator[Finding]:
    for leak in evidence.leaks:
        form = "" if leak.form == PLAIN else f" as {leak.form}"
        yield Finding(LEAKS, f"{leak.kind}{form} in {leak.where}, {leak.at}", count=leak.times)


def _rate(seconds: Windows, limit: int) -> Iterator[Finding]:
    what = f"up to {seconds.worst} messages in one second, {limit} are permitted: {seconds.excess} too many"
    yield from _counted(RATE, what, seconds.too_full)


def _jitter(faults: Sequence[Done]) -> list[tuple[float, float]]:
    """When the way to Meta took now longer and now shorter: what had left in time arrived in heaps."""
    slow = (done for done in faults if done.fault.recipe.weather.slow and done.fault.target.endswith(GRAPH))
    return [(done.began, done.repaired + WAY_SECONDS) for done in slow]


def _stops(stops: AfterStop) -> Iterator[Finding]:
    for message in stops.messages:
        yield Finding(AFTER_STOP, "left after the Stop", message.delivery)


def _lost(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.ours
    got = {message.delivery for message in evidence.outbound}
    for row in ours.ledger:
        if row.delivery not in got and row.state not in DECIDED and not _left_to_a_person(row):
            code = f" with {row.error_code}" if row.error_code else ""
            yield Finding(LOST, f"never accepted by Meta, {row.state}{code}", row.delivery)
    yield from _counted(LOST, "messages of citizens not decided upon", len(evidence.written) - ours.handled)
    replies = sum(1 for row in ours.ledger if row.broadcast is None)
    yield from _counted(LOST, "replies that have no row", ours.replies_due - replies)
    yield from _lost_notices(evidence)
    yield from _missed(evidence)


def _left_to_a_person(row: Row) -> bool:
    """Unknown again and again although Meta never had it: it is shown until a person decides."""
    return row.state == "unknown" and row.resends >= MOST_RESENT


def _counted(figure: str, what: str, count: int) -> Iterator[Finding]:
    if count > 0:
        yield Finding(figure, what, count=count)


def _lost_notices(evidence: Evidence) -> Iterator[Finding]:
    known = {broadcast.notice for broadcast in evidence.ours.broadcasts}
    for published in evidence.published:
        if published.lasting and published.notice not in known:
            yield Finding(LOST, f"notice {published.notice} was confirmed and never became a broadcast")


def _missed(evidence: Evidence) -> Iterator[Finding]:
    """Loyal citizens who did not get a lasting notice, whatever our ledger says; those that it admits apart."""
    got = {message.delivery for message in evidence.outbound}
    admitted = Counter(row.broadcast for row in evidence.ours.ledger if row.delivery not in got)
    shown = defaultdict(set)
    for message in evidence.outbound:
        if message.template:
            shown[_headline(message.text)].add(message.citizen)
    broadcasts = {broadcast.notice: broadcast.id for broadcast in evidence.ours.broadcasts}
    for published in evidence.published:
        if published.lasting and published.notice in broadcasts:
            missing = len(evidence.loyal - shown[published.headline]) - admitted[broadcasts[published.notice]]
            yield from _counted(LOST, f"citizens who never got {published.notice}", missing)


def _headline(text: str) -> str:
    """The templates print it in bold."""
    found = _BOLD.search(text)
    return found[1] if found else ""


_BOLD = re.compile(r"\*([^*]+)\*")


def unavoidable(outbound: Iterable[Outbound]) -> int:
    """Second messages after one that was accepted and of which nobody could ever tell us."""
    vanished = Counter(message.delivery for message in outbound if message.vanished)
    accepted = Counter(message.delivery for message in outbound)
    return sum(min(accepted[delivery] - 1, count) for delivery, count in vanished.items())


def _duplicates(outbound: Iterable[Outbound]) -> Iterator[Finding]:
    vanished = Counter(message.delivery for message in outbound if message.vanished)
    accepted = Counter(message.delivery for message in outbound)
    for delivery, count in accepted.items():
        yield from _twice("accepted more than once", delivery, count - 1 - vanished[delivery])
    shown: dict[tuple[int, str], set[str]] = defaultdict(set)
    for message in outbound:
        if message.template:
            shown[message.citizen, message.text].add(message.delivery)
    for deliveries in shown.values():
        yield from _twice("one broadcast to one citizen as several deliveries", min(deliveries), len(deliveries) - 1)


def _twice(what: str, delivery: str, count: int) -> Iterator[Finding]:
    if count > 0:
        yield Finding(DUPLICATES, what, delivery, count)


def _late(evidence: Evidence) -> Iterator[Finding]:
    expiry = {row.delivery: row.expires_at for row in evidence.ours.ledger}
    slow = [(done.began, done.repaired) for done in evidence.faults if done.fault.target.endswith(GRAPH)]
    for message in evidence.outbound:
        under_way = any(start <= message.accepted_at <= end for start, end in slow)
        allowed = evidence.request_seconds if under_way else WAY_SECONDS
        if message.accepted_at > expiry.get(message.delivery, float("inf")) + allowed:
            yield Finding(LATE, "accepted after it had expired", message.delivery)


def _unaccounted(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.ours
    rows = Counter(row.broadcast for row in ours.ledger if row.broadcast)
    known = {broadcast.id: broadcast for broadcast in ours.broadcasts}
    for broadcast in known.keys() | rows.keys():
        yield from _counted(UNACCOUNTED, f"recipients of {broadcast} off", _off(known.get(broadcast), rows[broadcast]))
    states = Counter((row.broadcast, row.state) for row in ours.ledger if row.broadcast)
    for broadcast, state in sorted(ours.counters.keys() | states.keys()):
        off = abs(ours.counters.get((broadcast, state), 0) - states[broadcast, state])
        yield from _counted(UNACCOUNTED, f"counter of {broadcast}, {state}, off", off)
    yield from _contradicted(ours.ledger, evidence.outbound)


def _off(broadcast: Broadcast | None, rows: int) -> int:
    """Of a broadcast that was cancelled some pages may be on the way for ever."""
    if broadcast is None:
        return rows
    if broadcast.cancelled and not broadcast.read_to_end:
        return max(0, rows - broadcast.audience)
    return abs(broadcast.audience - rows)


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
        if delivery in furthest and state != furthest[delivery]:
            yield Finding(UNACCOUNTED, f"we say {state}, Meta says {furthest[delivery]}", delivery)
        if state in TAKEN and delivery not in furthest and delivery not in vanished:
            yield Finding(UNACCOUNTED, f"we say {state}, Meta never had it", delivery)
