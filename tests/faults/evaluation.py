"""Evaluation of a run: reconciles both sides' records. Pure; every figure is measured, none is assumed."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from tests.faults.delivery_checks import find_duplicates, find_lost, find_misdirected, find_unaccounted
from tests.faults.evidence import Evidence
from tests.faults.fault_types import FaultPhase
from tests.faults.injector import InjectedFault
from tests.faults.leaks.pii_patterns import PLAIN
from tests.faults.operator_actions import OperatorCommand
from tests.faults.proxies import GRAPH
from tests.faults.rate_checks import (
    RECOVERY_SECONDS,
    UNSETTLED_SECONDS,
    RateWindows,
    UsedWindow,
    find_fault_spans,
    find_forbidden_spans,
    measure_pause,
    measure_rate_used,
    measure_recovery,
    measure_windows,
)
from tests.faults.stop_checks import find_after_stop
from tests.faults.violations import Figure, Violation, report_count

# Time a message takes to reach Meta after the dispatcher's last check of the clock.
TRANSIT_SECONDS = 0.25
# Deliveries claimed before a command are still sent.
COMMAND_DELAY_SECONDS = 2.0
MIN_RATE_USED = 0.99


@dataclass(frozen=True)
class Verdict:
    """Figures of a run; `stop_disturbed` counts messages that were late after a "Stop" because of a fault."""

    findings: tuple[Violation, ...]
    windows: RateWindows
    stop_disturbed: int
    recoveries: tuple[float | None, ...]
    pauses: tuple[float, ...]
    used: tuple[UsedWindow, ...]

    @property
    def rate_used(self) -> float | None:
        """Lowest share of the rate used in any window; None if there is no window."""
        return min((window.share for window in self.used), default=None)

    def count(self, figure: Figure) -> int:
        return sum(finding.count for finding in self.findings if finding.figure == figure)


def evaluate_run(evidence: Evidence) -> Verdict:
    moments = sorted(message.accepted_at for message in evidence.outbound)
    recoveries = tuple(measure_recovery(fault, moments, evidence.limit) for fault in evidence.faults)
    stops = find_after_stop(evidence, find_fault_spans(evidence.faults, recoveries))
    stalls = sorted(evidence.stalls)
    seconds = measure_windows(moments, evidence.limit, stalls, _find_jitter_spans(evidence.faults))
    forbidden = sorted([*find_forbidden_spans(evidence.faults, recoveries), *_find_unsendable_spans(evidence)])
    used = measure_rate_used(sorted(evidence.attempts), evidence.limit, evidence.waiting, forbidden, stalls)
    findings = (
        *find_lost(evidence),
        *find_duplicates(evidence),
        *(Violation(Figure.AFTER_STOP, "left after the Stop", message.delivery) for message in stops.messages),
        *_find_late(evidence),
        *find_unaccounted(evidence),
        *report_count(
            Figure.RATE,
            f"up to {seconds.worst} messages in one second, {evidence.limit} are permitted: {seconds.excess} too many",
            seconds.too_full,
        ),
        *_report_leaks(evidence),
        *find_misdirected(evidence),
        *_find_disobeyed(evidence, find_fault_spans(evidence.faults, recoveries)),
        *_report_unused_rate(used, evidence.faults),
        *_report_not_recovered(evidence.faults, recoveries),
        *report_count(
            Figure.UNFIT, "a dispatcher that can open no address said that it is ready", evidence.wrong_key_ready_count
        ),
    )
    return Verdict(
        findings=findings,
        windows=seconds,
        stop_disturbed=len(stops.disturbed),
        recoveries=recoveries,
        pauses=tuple(map(partial(measure_pause, moments=moments), evidence.faults, recoveries)),
        used=tuple(used),
    )


def _report_leaks(evidence: Evidence) -> Iterator[Violation]:
    for leak in evidence.leaks:
        form = "" if leak.form == PLAIN else f" as {leak.form}"
        yield Violation(Figure.LEAKS, f"{leak.kind}{form} in {leak.where}, {leak.at}", count=leak.times)


def _find_unsendable_spans(evidence: Evidence) -> Iterator[tuple[float, float]]:
    """Yield the spans in which batches of a forbidden, withdrawn or expired broadcast may be all that waits."""
    for command in evidence.operator_commands:
        until = command.since if command.until == float("inf") else command.until
        yield command.since, until + UNSETTLED_SECONDS
    expiries = {row.expires_at for row in evidence.ours.ledger if row.broadcast and row.state == "expired"}
    for time in (*expiries, *evidence.withdrawals):
        yield time, time + UNSETTLED_SECONDS


def _report_unused_rate(used: Sequence[UsedWindow], faults: Sequence[InjectedFault]) -> Iterator[Violation]:
    for window in used:
        if window.share < MIN_RATE_USED:
            overlapping = (
                injected for injected in faults if injected.began < window.end and injected.repaired > window.start
            )
            kinds = sorted({injected.fault.kind for injected in overlapping})
            text = f"{window.share:.3f} of the rate used in {window.seconds:.0f} s from {window.start:.1f}"
            yield Violation(Figure.UNUSED, text + (f", with {', '.join(kinds)}" if kinds else ""))


def _report_not_recovered(faults: Sequence[InjectedFault], recoveries: Sequence[float | None]) -> Iterator[Violation]:
    """Report senders stopped by Meta or a proxy that did not resume on their own in time."""
    for injected, seconds in zip(faults, recoveries, strict=True):
        if injected.fault.recipe.phase is FaultPhase.STOPPED and (seconds is None or seconds > RECOVERY_SECONDS):
            delay = "never" if seconds is None else f"{seconds:.0f} s after it"
            yield Violation(Figure.NOT_BACK, f"{injected.fault.kind}: half of the rate was back {delay}")


def _find_jitter_spans(faults: Sequence[InjectedFault]) -> list[tuple[float, float]]:
    """Return the spans in which the latency to Meta varied, so that messages sent in time arrived in bursts."""
    return [
        (injected.began, injected.repaired + TRANSIT_SECONDS)
        for injected in faults
        if injected.fault.recipe.network.is_slow and injected.fault.target.endswith(GRAPH)
    ]


def _find_disobeyed(evidence: Evidence, fault_spans: Sequence[tuple[float, float]]) -> Iterator[Violation]:
    """Yield messages that left well after an operator had forbidden them, while no fault was in force."""
    sources = {row.delivery: row.broadcast for row in evidence.ours.ledger}
    forbidden: dict[str | None, list[OperatorCommand]] = defaultdict(list)
    for command in evidence.operator_commands:
        forbidden[command.broadcast].append(command)
    for message in evidence.outbound:
        for command in forbidden.get(sources.get(message.delivery), ()):
            sent_at = message.accepted_at
            is_late = command.since + COMMAND_DELAY_SECONDS < sent_at < command.until
            if is_late and not any(start < sent_at and command.since < end for start, end in fault_spans):
                yield Violation(
                    Figure.DISOBEYED, "left although its broadcast was paused or cancelled", message.delivery
                )


def _find_late(evidence: Evidence) -> Iterator[Violation]:
    expiry = {row.delivery: row.expires_at for row in evidence.ours.ledger}
    slow = [
        (injected.began, injected.repaired)
        for injected in evidence.faults
        # Slow connection setup does not delay requests: they are written to connections already open.
        if injected.fault.target.endswith(GRAPH) and not injected.fault.recipe.network.lost_syn_seconds
    ]
    for message in evidence.outbound:
        is_delayed = any(start <= message.accepted_at <= end for start, end in slow)
        allowed = evidence.request_seconds if is_delayed else TRANSIT_SECONDS
        if message.accepted_at > expiry.get(message.delivery, float("inf")) + allowed:
            yield Violation(Figure.LATE, "accepted after it had expired", message.delivery)
