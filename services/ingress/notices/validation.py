"""Validation of the events of a request, and the results of checking and publishing them."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from services.ingress.notices.errors import ApiError, ErrorType
from services.ingress.notices.parsing import UNREAD_EVENT, ParsedRequest
from shared.contracts.events import Problem
from shared.contracts.notices_http import FieldError
from shared.notices.configuration import Configuration, System
from shared.notices.rules import ParsedNotice

NOT_CHECKED = "the audience and further blockers could not be determined; try again later"
_FIELDS_OF_TOPIC = ("municipalities", "picture")  # would reveal whether a foreign topic exists


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Authenticated system; `system` has only the topics of its token, and is `narrowed` if these are not all."""

    token: str
    system: System
    narrowed: bool = False

    def is_for(self, topic: str | None) -> bool:
        """Return whether the token may read notices on this topic."""
        return not self.narrowed or topic in self.system.topics


def validate_events(
    parsed: ParsedRequest, caller: Caller, configuration: Configuration, now: datetime, *, known: Set[int]
) -> None:
    """Return if no event has a problem. Raises ApiError, which names every problem.

    For events in `known`, which were published before and may have expired, only the caller's permissions are checked.
    """
    unreadable = {(index, problem.field) for index, problem in parsed.problems}
    forbidden: list[FieldError] = []
    invalid: list[FieldError] = []
    for index, event in enumerate(parsed.events):
        if event is UNREAD_EVENT:
            continue
        for event_problem, is_forbidden in _find_problems(event, caller, configuration, now):
            problem = parsed.translate(event_problem)
            if (index, problem.field) not in unreadable and (is_forbidden or index not in known):
                (forbidden if is_forbidden else invalid).append(parsed.build_error(problem, index))
    invalid += [parsed.build_error(problem, index) for index, problem in _find_repeated(parsed.events)]
    errors = [*forbidden, *(parsed.build_error(problem, index) for index, problem in parsed.problems), *invalid]
    if errors:
        raise ApiError(ErrorType.FORBIDDEN if forbidden else parsed.error_type, errors=errors)


def _find_problems(
    event: ParsedNotice, caller: Caller, configuration: Configuration, now: datetime
) -> Iterator[tuple[Problem, bool]]:
    """Yield each problem, and whether it concerns the caller's permissions."""
    if event.envelope.kreisfunksystem not in (None, caller.system.name):
        yield Problem(field="kreisfunksystem", problem="is set from the token; leave it out"), False
    problems = event.validate(caller.system, configuration, now)
    # A topic that is missing or not text is a mistake, not a lack of permission.
    has_topic = isinstance(event.data, dict) and isinstance(event.data.get("topic"), str)
    foreign_topic = has_topic and any(problem.field == "topic" for problem in problems)
    for problem in problems:
        if not (foreign_topic and problem.field in _FIELDS_OF_TOPIC):
            yield problem, problem.field == "source" or (problem.field == "topic" and foreign_topic)


def _find_repeated(events: Sequence[ParsedNotice]) -> Iterator[tuple[int, Problem]]:
    first: dict[tuple[str, str], int] = {}
    for index, event in enumerate(parsed.envelope for parsed in events):
        if not (event.source and event.id):
            continue
        earlier = first.setdefault((event.source, event.id), index)
        if earlier != index:
            yield index, Problem(field="id", problem=f"is also the id of event {earlier}")
