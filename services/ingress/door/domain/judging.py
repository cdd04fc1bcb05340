"""Whether the events of a request may be published: all of them, or the reasons."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.ingress.door.domain.plain import ACTIONS
from services.ingress.door.domain.receipts import Outlook, Receipt, event_path
from services.ingress.door.domain.refusals import Kind, Refusal
from services.ingress.door.domain.writing import Written
from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.contracts.message import Lane
from shared.contracts.notices import NoticeContent
from shared.municipal.configuration import Configuration
from shared.municipal.rules import notice_problems, read_notice
from shared.municipal.systems import System

_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A system that has shown a token; `system` has the topics that the token is for, `narrowed` if not all."""

    token: str
    system: System
    narrowed: bool = False

    def signed(self, event: Envelope) -> Envelope:
        """As it is passed on: whose it is, and which topics its token is for."""
        topics = ",".join(self.system.topics) if self.narrowed else None
        return msgspec.structs.replace(event, kreisfunksystem=self.system.name, kreisfunktopics=topics)


def judge(
    written: Written, caller: Caller, configuration: Configuration, now: datetime, *, known: frozenset[int] = _NONE
) -> None:
    """Return if nothing is wrong with any event. Raises Refusal, which names all that is wrong.

    Of those that are `known`, which came before, only what this caller may is judged: by now they may be too late.
    """
    found = [
        (place, problem, forbidden)
        for place, event in enumerate(written.events)
        for problem, forbidden in _problems(event, caller, configuration, now)
        if forbidden or place not in known
    ]
    found += [(place, problem, False) for place, problem in _repeated(written.events)]
    forbidden = [written.error(problem, place) for place, problem, is_forbidden in found if is_forbidden]
    if forbidden:
        raise Refusal(Kind.FORBIDDEN, errors=forbidden)
    if found:
        raise Refusal(Kind.INVALID, errors=[written.error(problem, place) for place, problem, _ in found])


def _problems(
    event: Envelope, caller: Caller, configuration: Configuration, now: datetime
) -> Iterator[tuple[Problem, bool]]:
    """Each problem, and whether it is about what this caller may."""
    if event.kreisfunksystem not in (None, caller.system.name):
        yield Problem(field="kreisfunksystem", problem="is named by the token; leave it out"), False
    for problem in notice_problems(event, caller.system, configuration, now):
        yield problem, problem.field == "source" or (problem.field == "topic" and _names_topic(event))


def _names_topic(event: Envelope) -> bool:
    """Whether there is a topic at all: one that is missing or no text is a mistake, not a trespass."""
    try:
        data = msgspec.json.decode(event.data)
    except msgspec.DecodeError:
        return False
    return isinstance(data, dict) and isinstance(data.get("topic"), str)


def _repeated(events: tuple[Envelope, ...]) -> Iterator[tuple[int, Problem]]:
    first: dict[tuple[str, str], int] = {}
    for place, event in enumerate(events):
        earlier = first.setdefault((event.source, event.id), place)
        if earlier != place:
            yield place, Problem(field="id", problem=f"is that of event {earlier}, too")


def receipt(event: Envelope) -> Receipt:
    return Receipt(
        event=event_path(event.source, event.id), source=event.source, id=event.id, notice=event.subject or ""
    )


def outlook(event: Envelope) -> Outlook:
    """Of an event that has no problems."""
    notice = read_notice(event)
    taken = msgspec.structs.asdict(receipt(event))
    action = next(name for name, kind in ACTIONS.items() if isinstance(notice, kind))
    if not isinstance(notice, NoticeContent):
        return Outlook(**taken, action=action)
    return Outlook(
        **taken,
        action=action,
        topic=notice.topic,
        lane=Lane.URGENT if notice.urgent else Lane.BULK,
        begins_at=notice.scheduled_at,
        expires_at=event.expirytime,
    )
