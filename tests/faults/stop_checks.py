"""Checks of both parts of the promise about "Stop", for citizens who may return."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cli.demo.figures import MAX_SECONDS_AFTER_ANSWER, MAX_SECONDS_AFTER_CONFIRMATION
from simulator.client import AcceptedMessage
from tests.faults.citizen_traffic import ERASE, LEAVING, START
from tests.faults.evidence import CitizenMessage, Evidence


@dataclass(frozen=True)
class Absence:
    """One absence: from a "Stop" or an erasure to the citizen's next "Start", if there is one."""

    citizen: int
    answered_at: float | None
    confirmed_at: float | None
    until: float


@dataclass(frozen=True)
class LateMessages:
    """Broadcast messages that left too late.

    `disturbed` ones came more than 2 s after the answer, but before the confirmation and while a fault was in force:
    only the second part of the promise applies then.
    """

    messages: tuple[AcceptedMessage, ...]
    disturbed: tuple[AcceptedMessage, ...]


def find_after_stop(evidence: Evidence, troubled: Sequence[tuple[float, float]]) -> LateMessages:
    """Return late messages; `troubled` are the spans in which some fault was in force or not recovered from."""
    absences: dict[int, list[Absence]] = {}
    for absence in find_absences(evidence):
        absences.setdefault(absence.citizen, []).append(absence)
    late: list[AcceptedMessage] = []
    disturbed: list[AcceptedMessage] = []
    for message in evidence.outbound:
        for absence in absences.get(message.citizen, ()) if message.template else ():
            if _is_late(message, absence.confirmed_at, MAX_SECONDS_AFTER_CONFIRMATION, absence.until):
                late.append(message)
            elif _is_late(message, absence.answered_at, MAX_SECONDS_AFTER_ANSWER, absence.until):
                (disturbed if _is_during_fault(absence, message, troubled) else late).append(message)
    return LateMessages(tuple(late), tuple(disturbed))


def find_absences(evidence: Evidence) -> Iterator[Absence]:
    confirmations: dict[int, list[float]] = {}
    for message in evidence.outbound:
        if message.text.startswith(evidence.confirmations):
            confirmations.setdefault(message.citizen, []).append(message.accepted_at)
    for citizen, messages in _group_by_citizen(evidence.written).items():
        for index, stop in enumerate(messages):
            if stop.text in LEAVING:
                until = next((later.written_at for later in messages[index:] if later.text == START), float("inf"))
                moments = (time for time in confirmations.get(citizen, ()) if stop.written_at <= time < until)
                yield Absence(citizen, stop.answered_at, next(moments, None), until)


def find_erased(written: Iterable[CitizenMessage]) -> frozenset[int]:
    """Return the citizens whose last message asked for erasure."""
    return frozenset(citizen for citizen, words in _group_by_citizen(written).items() if words[-1].text == ERASE)


def _group_by_citizen(written: Iterable[CitizenMessage]) -> dict[int, list[CitizenMessage]]:
    groups: dict[int, list[CitizenMessage]] = {}
    for message in written:
        groups.setdefault(message.citizen, []).append(message)
    return groups


def _is_late(message: AcceptedMessage, since: float | None, seconds: float, until: float) -> bool:
    return since is not None and since + seconds < message.accepted_at < until


def _is_during_fault(absence: Absence, message: AcceptedMessage, troubled: Sequence[tuple[float, float]]) -> bool:
    answered_at = absence.answered_at or 0.0
    return any(start < message.accepted_at and answered_at < end for start, end in troubled)
