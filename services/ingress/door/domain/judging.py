"""Whether the events of a request may be published: all of them, or the reasons."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.ingress.door.domain.plain import ACTIONS
from services.ingress.door.domain.receipts import Outlook, Receipt, event_path
from services.ingress.door.domain.refusals import FieldError, Kind, Refusal
from services.ingress.door.domain.writing import UNREAD, Written
from shared.contracts.envelope import Envelope
from shared.contracts.events import NoticeChecked, Problem
from shared.contracts.message import Lane
from shared.contracts.notices import NoticeContent
from shared.municipal.configuration import Configuration
from shared.municipal.rules import notice_problems, read_notice
from shared.municipal.systems import System

UNASKED = "how many get it, and what else may stop it, could not be found out just now"
_FORESEEN = ("revision", "audience", "costs", "duration_seconds", "blockers")
_NONE: frozenset[int] = frozenset()
_TELL_OF_TOPIC = ("municipalities", "picture")  # whether there is such a topic that the caller may not publish about


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
    named = {(place, problem.field) for place, problem in written.wrong}
    forbidden: list[FieldError] = []
    invalid: list[FieldError] = []
    for place, event in enumerate(written.events):
        if event is UNREAD:
            continue
        for found, is_forbidden in _problems(event, caller, configuration, now):
            problem = written.translate(found)
            if (place, problem.field) not in named and (is_forbidden or place not in known):
                (forbidden if is_forbidden else invalid).append(written.error(problem, place))
    invalid += [written.error(problem, place) for place, problem in _repeated(written.events)]
    errors = [*forbidden, *(written.error(problem, place) for place, problem in written.wrong), *invalid]
    if errors:
        raise Refusal(Kind.FORBIDDEN if forbidden else written.kind, errors=errors)


def _problems(
    event: Envelope, caller: Caller, configuration: Configuration, now: datetime
) -> Iterator[tuple[Problem, bool]]:
    """Each problem, and whether it is about what this caller may."""
    if event.kreisfunksystem not in (None, caller.system.name):
        yield Problem(field="kreisfunksystem", problem="is named by the token; leave it out"), False
    found = notice_problems(event, caller.system, configuration, now)
    foreign_topic = _names_topic(event) and any(problem.field == "topic" for problem in found)
    for problem in found:
        if not (foreign_topic and problem.field in _TELL_OF_TOPIC):
            yield problem, problem.field == "source" or (problem.field == "topic" and foreign_topic)


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
        if not (event.source and event.id):
            continue
        earlier = first.setdefault((event.source, event.id), place)
        if earlier != place:
            yield place, Problem(field="id", problem=f"is that of event {earlier}, too")


def receipt(event: Envelope) -> Receipt:
    return Receipt(
        event=event_path(event.source, event.id), source=event.source, id=event.id, notice=event.subject or ""
    )


def outlook(event: Envelope, checked: NoticeChecked | None) -> Outlook:
    """Of an event that has no problems; `checked` is what subscriptions says of it, if it has been asked."""
    notice = read_notice(event)
    taken = msgspec.structs.asdict(receipt(event))
    taken |= {"action": next(name for name, kind in ACTIONS.items() if isinstance(notice, kind))}
    taken |= {name: getattr(checked, name) for name in _FORESEEN} if checked else {"blockers": (UNASKED,)}
    if not isinstance(notice, NoticeContent):
        return Outlook(**taken)
    return Outlook(
        **taken,
        topic=notice.topic,
        lane=Lane.URGENT if notice.urgent else Lane.BULK,
        begins_at=notice.scheduled_at,
        expires_at=event.expirytime,
    )
