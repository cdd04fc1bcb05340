"""Both halves of the promise about "Stop", for citizens who may come back."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cli.demo.figures import NOT_LATER_THAN_ANSWER, NOT_LATER_THAN_CONFIRMATION, Outbound
from cli.faults.evidence import Evidence, Written
from cli.faults.talk import ERASE, LEAVING, START


@dataclass(frozen=True)
class Gone:
    """One absence: from the "Stop" or the erasure to the next "Start" of the same citizen, if there was one."""

    citizen: int
    answered_at: float | None
    confirmed_at: float | None
    until: float


@dataclass(frozen=True)
class AfterStop:
    """Broadcast messages that left too late. `disturbed` ones came more than 2 s after the answer, but before the
    confirmation and while a fault was in force: only the second half of the promise holds then."""

    messages: tuple[Outbound, ...]
    disturbed: tuple[Outbound, ...]


def after_stop(evidence: Evidence, troubled: Sequence[tuple[float, float]]) -> AfterStop:
    """`troubled` are the times in which some fault was in force or not recovered from."""
    absences: dict[int, list[Gone]] = {}
    for gone in absent(evidence):
        absences.setdefault(gone.citizen, []).append(gone)
    late: list[Outbound] = []
    disturbed: list[Outbound] = []
    for message in evidence.outbound:
        for gone in absences.get(message.citizen, ()) if message.template else ():
            if _after_confirmation(message, gone):
                late.append(message)
            elif _after_answer(message, gone):
                (disturbed if _meets(gone, message, troubled) else late).append(message)
    return AfterStop(tuple(late), tuple(disturbed))


def absent(evidence: Evidence) -> Iterator[Gone]:
    """Every "Stop" and every erasure with what followed it."""
    confirmations: dict[int, list[float]] = {}
    for message in evidence.outbound:
        if message.text.startswith(evidence.farewells):
            confirmations.setdefault(message.citizen, []).append(message.accepted_at)
    for citizen, words in _by_citizen(evidence.written).items():
        for index, word in enumerate(words):
            if word.text in LEAVING:
                until = next((one.written_at for one in words[index:] if one.text == START), float("inf"))
                moments = (at for at in confirmations.get(citizen, ()) if word.written_at <= at < until)
                yield Gone(citizen, word.answered_at, next(moments, None), until)


def gone_for_good(written: Iterable[Written]) -> frozenset[int]:
    """Whose last word was that everything be deleted."""
    return frozenset(citizen for citizen, words in _by_citizen(written).items() if words[-1].text == ERASE)


def _by_citizen(written: Iterable[Written]) -> dict[int, list[Written]]:
    words: dict[int, list[Written]] = {}
    for one in written:
        words.setdefault(one.citizen, []).append(one)
    return words


def _after_confirmation(message: Outbound, gone: Gone) -> bool:
    if gone.confirmed_at is None:
        return False
    return gone.confirmed_at + NOT_LATER_THAN_CONFIRMATION < message.accepted_at < gone.until


def _after_answer(message: Outbound, gone: Gone) -> bool:
    if gone.answered_at is None:
        return False
    return gone.answered_at + NOT_LATER_THAN_ANSWER < message.accepted_at < gone.until


def _meets(gone: Gone, message: Outbound, troubled: Sequence[tuple[float, float]]) -> bool:
    answered = gone.answered_at or 0.0
    return any(start < message.accepted_at and answered < end for start, end in troubled)
