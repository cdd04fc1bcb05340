"""An event as it came, or why it is none."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shared.contracts.envelope import ContractError, Envelope, read_envelope
from shared.contracts.events import Problem
from shared.municipal.shapes import shape_problems

LONGEST_NAME = 200


class Unreadable(ValueError):
    """Bytes that are no CloudEvent. What the event would be called is told as far as it can be read."""

    def __init__(
        self, problems: tuple[Problem, ...], *, event: str = "", subject: str | None = None, source: str = ""
    ) -> None:
        super().__init__(", ".join(problem.field for problem in problems))
        self.problems = problems
        self.event = _name(event) or ""
        self.subject = _name(subject)
        self.source = _name(source) or ""

    def with_more(self, problems: tuple[Problem, ...]) -> "Unreadable":
        """The same with other problems before its own."""
        return Unreadable((*problems, *self.problems), event=self.event, subject=self.subject, source=self.source)


def read_event(body: bytes) -> Envelope:
    """The event in structured JSON. Raises Unreadable, which names every wrong attribute."""
    try:
        return _read(body)
    except RecursionError:
        raise Unreadable((Problem(field="body", problem="is nested too deeply"),)) from None


def _read(body: bytes) -> Envelope:
    try:
        return read_envelope(body)
    except ContractError as error:
        if (without := _without_nulls(body)) is not None:
            return _read(without)
        raise _unreadable(body, str(error)) from None


def _without_nulls(body: bytes) -> bytes | None:
    """The event without attributes that are null, which CloudEvents wants read as if they were left out; None if
    there are none, or it is no event.
    """
    try:
        found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    given = {name: value for name, value in found.items() if name == "data" or bytes(value) != b"null"}
    return msgspec.json.encode(given) if len(given) < len(found) else None


def read_attributes(attributes: Mapping[str, Any], data: bytes) -> Envelope:
    """The event in binary mode: its attributes without a prefix, its data as JSON. Raises Unreadable."""
    try:
        msgspec.json.decode(data)
        return read_event(msgspec.json.encode({**attributes, "data": msgspec.Raw(data)}))
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = Problem(field="data", problem="is not JSON")
    except RecursionError:
        problem = Problem(field="data", problem="is nested too deeply")
    except TypeError:
        problem = Problem(field="headers", problem="hold an attribute that is no string, number or moment")
    names = {"event": attributes.get("id"), "subject": attributes.get("subject"), "source": attributes.get("source")}
    raise Unreadable((problem,), **{name: value for name, value in names.items() if isinstance(value, str)})


def _unreadable(body: bytes, error: str) -> Unreadable:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unreadable((Problem(field="body", problem="is not JSON"),))
    if not isinstance(found, dict):
        return Unreadable((Problem(field="body", problem="must be a JSON object"),))
    problems = tuple(_attribute_problems(found)) or (Problem(field="body", problem=error),)
    names = {"event": found.get("id"), "subject": found.get("subject"), "source": found.get("source")}
    return Unreadable(problems, **{name: value for name, value in names.items() if isinstance(value, str)})


def _attribute_problems(found: dict[str, Any]) -> Iterator[Problem]:
    yield from shape_problems({**found, "data": msgspec.Raw(b"")}, Envelope)
    if isinstance(version := found.get("specversion"), str) and version != "1.0":
        yield Problem(field="specversion", problem="must be 1.0")


def _name(value: str | None) -> str | None:
    return value if value is not None and len(value) <= LONGEST_NAME else None
