"""The comparison of both sides' books. Pure; each figure says what was found, never what was intended."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cli.faults.accounting import unaccounted
from cli.faults.arrivals import duplicates, lost, misdirected, unavoidable
from cli.faults.catalogue import Phase
from cli.faults.evidence import Evidence
from cli.faults.findings import AFTER_STOP, DISOBEYED, LATE, LEAKS, NOT_BACK, RATE, UNFIT, UNUSED, Finding, counted
from cli.faults.hands import Done
from cli.faults.leaks.needles import PLAIN
from cli.faults.operator import Order
from cli.faults.stops import AfterStop, after_stop
from cli.faults.timing import (
    BACK_SECONDS,
    UNSETTLED_SECONDS,
    UsedWindow,
    Windows,
    forbidding,
    rate_used,
    recovery,
    troubled,
    windows,
)
from deploy.local.detours import GRAPH

# Between the last look at the clock and the acceptance lies the way to Meta.
WAY_SECONDS = 0.25
# What was claimed before a command is still sent.
ORDER_SECONDS = 2.0
LEAST_RATE_USED = 0.99


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
    used: tuple[UsedWindow, ...]

    @property
    def rate_used(self) -> float | None:
        """The least share of the rate in any window; None if nothing can be said."""
        return min((window.share for window in self.used), default=None)

    def count(self, figure: str) -> int:
        return sum(finding.count for finding in self.findings if finding.figure == figure)

    @property
    def holds(self) -> bool:
        """Nothing was found, not even too high or too low a rate."""
        return not self.findings


def judge(evidence: Evidence) -> Verdict:
    """All figures."""
    moments = sorted(message.accepted_at for message in evidence.outbound)
    recoveries = tuple(recovery(fault, moments, evidence.limit) for fault in evidence.faults)
    stops = after_stop(evidence, troubled(evidence.faults, recoveries))
    stalls = sorted(evidence.stalls)
    seconds = windows(moments, evidence.limit, stalls, _jitter(evidence.faults))
    forbidden = sorted([*forbidding(evidence.faults, recoveries), *_orders(evidence.orders)])
    used = rate_used(sorted(evidence.attempts), evidence.limit, evidence.waiting, forbidden, stalls)
    found = (
        *lost(evidence),
        *duplicates(evidence),
        *_stops(stops),
        *_late(evidence),
        *unaccounted(evidence),
        *_rate(seconds, evidence.limit),
        *_leaks(evidence),
        *misdirected(evidence),
        *_disobeyed(evidence, troubled(evidence.faults, recoveries)),
        *_unused(used, evidence.faults),
        *_not_back(evidence.faults, recoveries),
        *counted(UNFIT, "a dispatcher that can open no address said that it is ready", evidence.strays_ready),
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
        used=tuple(used),
    )


def _leaks(evidence: Evidence) -> Iterator[Finding]:
    for leak in evidence.leaks:
        form = "" if leak.form == PLAIN else f" as {leak.form}"
        yield Finding(LEAKS, f"{leak.kind}{form} in {leak.where}, {leak.at}", count=leak.times)


def _rate(seconds: Windows, limit: int) -> Iterator[Finding]:
    what = f"up to {seconds.worst} messages in one second, {limit} are permitted: {seconds.excess} too many"
    yield from counted(RATE, what, seconds.too_full)


def _orders(orders: Sequence[Order]) -> Iterator[tuple[float, float]]:
    """While an operator forbids a broadcast its batches may be all that waits."""
    for order in orders:
        until = order.since if order.until == float("inf") else order.until
        yield order.since, until + UNSETTLED_SECONDS


def _unused(used: Sequence[UsedWindow], faults: Sequence[Done]) -> Iterator[Finding]:
    for window in used:
        if window.share < LEAST_RATE_USED:
            met = sorted(
                {done.fault.kind for done in faults if done.began < window.end and done.repaired > window.start}
            )
            length = window.end - window.start
            what = f"{window.share:.3f} of the rate used in {length:.0f} s from {window.start:.1f}"
            yield Finding(UNUSED, what + (f", with {', '.join(met)}" if met else ""))


def _not_back(faults: Sequence[Done], recoveries: Sequence[float | None]) -> Iterator[Finding]:
    """A sender that Meta or a proxy stopped has to send again by itself."""
    for done, seconds in zip(faults, recoveries, strict=True):
        if done.fault.recipe.phase is Phase.STOPPED and (seconds is None or seconds > BACK_SECONDS):
            after = "never" if seconds is None else f"{seconds:.0f} s after it"
            yield Finding(NOT_BACK, f"{done.fault.kind}: half of the rate was back {after}")


def _jitter(faults: Sequence[Done]) -> list[tuple[float, float]]:
    """When the way to Meta took now longer and now shorter: what had left in time arrived in heaps."""
    slow = (done for done in faults if done.fault.recipe.weather.slow and done.fault.target.endswith(GRAPH))
    return [(done.began, done.repaired + WAY_SECONDS) for done in slow]


def _stops(stops: AfterStop) -> Iterator[Finding]:
    for message in stops.messages:
        yield Finding(AFTER_STOP, "left after the Stop", message.delivery)


def _disobeyed(evidence: Evidence, trouble: Sequence[tuple[float, float]]) -> Iterator[Finding]:
    """What left long after an operator had forbidden it, while no fault was in force."""
    sources = {row.delivery: row.broadcast for row in evidence.ours.ledger}
    forbidden: dict[str | None, list[Order]] = defaultdict(list)
    for order in evidence.orders:
        forbidden[order.broadcast].append(order)
    for message in evidence.outbound:
        for order in forbidden.get(sources.get(message.delivery), ()):
            at = message.accepted_at
            late = order.since + ORDER_SECONDS < at < order.until
            if late and not any(start < at and order.since < end for start, end in trouble):
                yield Finding(DISOBEYED, "left although its broadcast was paused or cancelled", message.delivery)


def _late(evidence: Evidence) -> Iterator[Finding]:
    expiry = {row.delivery: row.expires_at for row in evidence.ours.ledger}
    slow = [
        (done.began, done.repaired)
        for done in evidence.faults
        # While connections take seconds nothing is under way longer: what leaves is written on an open one.
        if done.fault.target.endswith(GRAPH) and not done.fault.recipe.weather.lost_syn_seconds
    ]
    for message in evidence.outbound:
        under_way = any(start <= message.accepted_at <= end for start, end in slow)
        allowed = evidence.request_seconds if under_way else WAY_SECONDS
        if message.accepted_at > expiry.get(message.delivery, float("inf")) + allowed:
            yield Finding(LATE, "accepted after it had expired", message.delivery)
