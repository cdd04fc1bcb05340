"""Validation of the events of a request (all may be published, or the errors say why not), and the answer if so."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec import Struct

from services.ingress.notices.errors import ApiError, ErrorType, FieldError
from services.ingress.notices.parsing import UNREAD_EVENT, ParsedRequest
from services.ingress.notices.plain_json import ACTIONS
from services.ingress.notices.progress import event_path
from shared.contracts.envelope import Envelope
from shared.contracts.events import Euros, NoticeChecked, Problem
from shared.contracts.message import Lane
from shared.contracts.notices import NoticeContent
from shared.notices.configuration import Configuration, System
from shared.notices.rules import read_notice, validate_notice

NOT_CHECKED = "how many get it, and what else may stop it, could not be found out just now"
_EXPECTED_FIELDS = ("revision", "audience", "costs", "duration_seconds", "blockers")
_NONE: frozenset[int] = frozenset()
_FIELDS_OF_TOPIC = ("municipalities", "picture")  # would reveal whether a foreign topic exists


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Authenticated system; `system` has only the topics of its token, `narrowed` if these are not all."""

    token: str
    system: System
    narrowed: bool = False

    def stamp(self, event: Envelope) -> Envelope:
        """Return the event as published: with its system, and the token's topics if it is narrowed."""
        topics = ",".join(self.system.topics) if self.narrowed else None
        return msgspec.structs.replace(event, kreisfunksystem=self.system.name, kreisfunktopics=topics)


class PublishResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The broker has stored this event; `event` is the path to follow its progress."""

    event: str
    source: str
    id: str
    notice: str


class PublishResults(Struct, frozen=True, kw_only=True):
    """The broker has stored these events, in the order of the request."""

    events: tuple[PublishResult, ...]


class CheckResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Expected result of this event; nothing was published.

    `begins_at` is missing if it is sent at once. `audience`, `costs` in euros and `duration_seconds` are current
    estimates; each is missing if unknown. `blockers` describe what delays or stops the event.
    """

    event: str
    source: str
    id: str
    notice: str
    action: str
    topic: str | None = None
    lane: Lane | None = None
    begins_at: datetime | None = None
    expires_at: datetime | None = None
    revision: int | None = None
    audience: int | None = None
    costs: dict[str, Euros] = {}
    duration_seconds: int | None = None
    blockers: tuple[str, ...] = ()


class CheckResults(Struct, frozen=True, kw_only=True):
    """The same for a batch, in the order of the request."""

    events: tuple[CheckResult, ...]


def validate_events(
    parsed: ParsedRequest, caller: Caller, configuration: Configuration, now: datetime, *, known: frozenset[int] = _NONE
) -> None:
    """Return if no event has a problem. Raises ApiError, which names every problem.

    Events in `known` came before and may be too late by now: only the caller's permissions are checked for them.
    """
    named = {(place, problem.field) for place, problem in parsed.wrong}
    forbidden: list[FieldError] = []
    invalid: list[FieldError] = []
    for place, event in enumerate(parsed.events):
        if event is UNREAD_EVENT:
            continue
        for found, is_forbidden in _find_problems(event, caller, configuration, now):
            problem = parsed.translate(found)
            if (place, problem.field) not in named and (is_forbidden or place not in known):
                (forbidden if is_forbidden else invalid).append(parsed.build_error(problem, place))
    invalid += [parsed.build_error(problem, place) for place, problem in _find_repeated(parsed.events)]
    errors = [*forbidden, *(parsed.build_error(problem, place) for place, problem in parsed.wrong), *invalid]
    if errors:
        raise ApiError(ErrorType.FORBIDDEN if forbidden else parsed.error_type, errors=errors)


def _find_problems(
    event: Envelope, caller: Caller, configuration: Configuration, now: datetime
) -> Iterator[tuple[Problem, bool]]:
    """Yield each problem, and whether it concerns the caller's permissions."""
    if event.kreisfunksystem not in (None, caller.system.name):
        yield Problem(field="kreisfunksystem", problem="is named by the token; leave it out"), False
    found = validate_notice(event, caller.system, configuration, now)
    foreign_topic = _has_topic(event) and any(problem.field == "topic" for problem in found)
    for problem in found:
        if not (foreign_topic and problem.field in _FIELDS_OF_TOPIC):
            yield problem, problem.field == "source" or (problem.field == "topic" and foreign_topic)


def _has_topic(event: Envelope) -> bool:
    """Return whether there is a topic: one that is missing or not text is a mistake, not a lack of permission."""
    try:
        data = msgspec.json.decode(event.data)
    except msgspec.DecodeError:
        return False
    return isinstance(data, dict) and isinstance(data.get("topic"), str)


def _find_repeated(events: tuple[Envelope, ...]) -> Iterator[tuple[int, Problem]]:
    first: dict[tuple[str, str], int] = {}
    for place, event in enumerate(events):
        if not (event.source and event.id):
            continue
        earlier = first.setdefault((event.source, event.id), place)
        if earlier != place:
            yield place, Problem(field="id", problem=f"is that of event {earlier}, too")


def build_publish_result(event: Envelope) -> PublishResult:
    return PublishResult(
        event=event_path(event.source, event.id), source=event.source, id=event.id, notice=event.subject or ""
    )


def build_check_result(event: Envelope, checked: NoticeChecked | None) -> CheckResult:
    """Return the result for an event without problems; `checked` is the answer of subscriptions, if there was one."""
    notice = read_notice(event)
    taken = msgspec.structs.asdict(build_publish_result(event))
    taken |= {"action": next(name for name, kind in ACTIONS.items() if isinstance(notice, kind))}
    taken |= {name: getattr(checked, name) for name in _EXPECTED_FIELDS} if checked else {"blockers": (NOT_CHECKED,)}
    if not isinstance(notice, NoticeContent):
        return CheckResult(**taken)
    return CheckResult(
        **taken,
        topic=notice.topic,
        lane=Lane.URGENT if notice.urgent else Lane.BULK,
        begins_at=notice.scheduled_at,
        expires_at=event.expirytime,
    )
