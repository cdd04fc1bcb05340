"""An event as it came, or why it is none."""

from collections.abc import Iterator
from typing import Any

import msgspec

from shared.contracts.envelope import ContractError, Envelope, read_envelope
from shared.contracts.events import Problem
from shared.municipal.shapes import shape_problems

LONGEST_NAME = 200


class Unreadable(ValueError):
    """Bytes that are no CloudEvent. `event` and `subject` are what they would be called, as far as that can be read."""

    def __init__(self, problems: tuple[Problem, ...], *, event: str = "", subject: str | None = None) -> None:
        super().__init__(", ".join(problem.field for problem in problems))
        self.problems = problems
        self.event = event
        self.subject = subject


def read_event(body: bytes) -> Envelope:
    """The event in structured JSON. Raises Unreadable, which names every wrong attribute."""
    try:
        return read_envelope(body)
    except ContractError as error:
        raise _unreadable(body, str(error)) from None


def _unreadable(body: bytes, error: str) -> Unreadable:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unreadable((Problem(field="body", problem="is not JSON"),))
    if not isinstance(found, dict):
        return Unreadable((Problem(field="body", problem="must be a JSON object"),))
    problems = tuple(_attribute_problems(found)) or (Problem(field="body", problem=error),)
    return Unreadable(problems, event=_name(found.get("id")) or "", subject=_name(found.get("subject")))


def _attribute_problems(found: dict[str, Any]) -> Iterator[Problem]:
    yield from shape_problems({**found, "data": msgspec.Raw(b"")}, Envelope)
    if isinstance(version := found.get("specversion"), str) and version != "1.0":
        yield Problem(field="specversion", problem="must be 1.0")


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= LONGEST_NAME else None
