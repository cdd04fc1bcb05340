"""Validation of the events of a request: all may be published, or the errors say why not; results of both."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct

from services.ingress.notices.errors import ApiError, ErrorType, FieldError
from services.ingress.notices.parsing import UNREAD_EVENT, ParsedRequest
from shared.contracts.events import Euros, Problem
from shared.contracts.message import Lane
from shared.notices.configuration import Configuration, System
from shared.notices.rules import ParsedNotice

NOT_CHECKED = "how many get it, and what else may stop it, could not be found out just now"
_FIELDS_OF_TOPIC = ("municipalities", "picture")  # would reveal whether a foreign topic exists


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Authenticated system; `system` has only the topics of its token, `narrowed` if these are not all."""

    token: str
    system: System
    narrowed: bool = False

    def is_for(self, topic: str | None) -> bool:
        """Return whether the token may read what is on this topic."""
        return not self.narrowed or topic in self.system.topics


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
    parsed: ParsedRequest, caller: Caller, configuration: Configuration, now: datetime, *, known: Set[int]
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
    event: ParsedNotice, caller: Caller, configuration: Configuration, now: datetime
) -> Iterator[tuple[Problem, bool]]:
    """Yield each problem, and whether it concerns the caller's permissions."""
    if event.envelope.kreisfunksystem not in (None, caller.system.name):
        yield Problem(field="kreisfunksystem", problem="is named by the token; leave it out"), False
    found = event.validate(caller.system, configuration, now)
    # A topic that is missing or not text is a mistake, not a lack of permission.
    has_topic = isinstance(event.data, dict) and isinstance(event.data.get("topic"), str)
    foreign_topic = has_topic and any(problem.field == "topic" for problem in found)
    for problem in found:
        if not (foreign_topic and problem.field in _FIELDS_OF_TOPIC):
            yield problem, problem.field == "source" or (problem.field == "topic" and foreign_topic)


def _find_repeated(events: Sequence[ParsedNotice]) -> Iterator[tuple[int, Problem]]:
    first: dict[tuple[str, str], int] = {}
    for place, event in enumerate(each.envelope for each in events):
        if not (event.source and event.id):
            continue
        earlier = first.setdefault((event.source, event.id), place)
        if earlier != place:
            yield place, Problem(field="id", problem=f"is that of event {earlier}, too")
