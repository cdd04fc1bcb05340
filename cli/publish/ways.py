"""Both ways in: whatever a command does, it does by one of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

from cli.options import ANSWER_SECONDS
from cli.publish.checking import CheckedEvent, problems_of
from cli.publish.door import Door, DoorFailed, Reply, Request, Unreachable, Unwatched, open_door
from cli.publish.following import follow
from cli.publish.plain import request_of, text_in
from cli.publish.sending import Answer, Sender, Unanswered
from cli.publish.settings import DoorSettings
from services.ingress.door.domain.progress import Progress, State
from services.ingress.door.domain.receipts import EVENTS, Outlook, Receipt
from services.ingress.door.domain.refusals import ProblemDetails
from shared.contracts.events import NoticeAccepted, NoticeAction, NoticeChecked, NoticeRejected, Problem
from shared.municipal.reading import read_event
from shared.outcome import DependencyAway
from shared.runtime.clock import system_clock

CHECK_SECONDS = 3.0
ACTION_OF = {
    "publish": NoticeAction.PUBLISHED,
    "update": NoticeAction.UPDATED,
    "withdraw": NoticeAction.WITHDRAWN,
}
POLL_SECONDS = 0.5
LOST_SECONDS = 120.0
REJECTING = (400, 403, 413, 422)
FORBIDDEN = 403
FORBIDDEN_FIELDS = ("source", "topic")
ANOTHER_TOKEN = "ask the operator for a token that is for it"  # noqa: S105 - advice
T = TypeVar("T")


class Way(Protocol):
    """How events get in. `source` is what an event gets that names none; empty if the door knows it."""

    @property
    def source(self) -> str: ...

    async def check(self, body: bytes, now: datetime, *, seconds: float) -> CheckedEvent:
        """What would become of it; nothing is published."""

    async def send(self, body: bytes, *, seconds: float | None) -> Answer | None:
        """The answer that comes within `seconds`; None if we do not wait. Raises Unanswered."""

    def watch(self, body: bytes, *, seconds: float) -> AsyncIterator[Progress]:
        """Publish, and tell each change until the last. Raises Unanswered if the first answer takes longer."""


@dataclass(frozen=True, kw_only=True)
class AmqpWay:
    """To the broker, with a login."""

    sender: Sender

    @property
    def source(self) -> str:
        return self.sender.source

    async def check(self, body: bytes, now: datetime, *, seconds: float) -> CheckedEvent:
        """By the county's file alone if the broker is away."""
        if problems := problems_of(body, self.sender.settings, now):
            return CheckedEvent(body=body, problems=problems)
        try:
            told = await self.sender.ask(body, now, seconds=min(seconds, CHECK_SECONDS))
        except DependencyAway:
            told = None
        problems = told.problems if told else ()
        return CheckedEvent(body=body, problems=problems, expected=told, expires_at=read_event(body).expirytime)

    async def send(self, body: bytes, *, seconds: float | None) -> Answer | None:
        return await self.sender.send_body(body, seconds=seconds)

    def watch(self, body: bytes, *, seconds: float) -> AsyncIterator[Progress]:
        return follow(self.sender, body, seconds=seconds)


@dataclass(frozen=True, kw_only=True)
class DoorWay:
    """Over HTTP, with a token."""

    settings: DoorSettings
    source: str

    async def check(self, body: bytes, now: datetime, *, seconds: float) -> CheckedEvent:
        async with open_door(self.settings.door_url, self.settings.door_token) as door:
            reply = await door.ask(request_of(body, "/notices/check"), seconds=seconds)
        if reply.status in REJECTING:
            return CheckedEvent(body=body, problems=problems_in(reply))
        if reply.status != 200:
            raise door.failed(reply)
        outlook = _decoded(reply, Outlook, door)
        return CheckedEvent(body=body, expected=_expected(outlook), expires_at=outlook.expires_at)

    async def send(self, body: bytes, *, seconds: float | None) -> Answer | None:
        if seconds is None:
            async with open_door(self.settings.door_url, self.settings.door_token) as door:
                told = await _publish(door, body, ANSWER_SECONDS)
            return _answer(told) if isinstance(told, Progress) else None
        async with aclosing(self.watch(body, seconds=seconds)) as told_later:
            async for progress in told_later:
                if progress.state is not State.RECEIVED:
                    return _answer(progress)
        raise Unanswered(seconds)

    async def watch(self, body: bytes, *, seconds: float) -> AsyncGenerator[Progress, None]:
        async with open_door(self.settings.door_url, self.settings.door_token) as door:
            told = await _publish(door, body, seconds)
            if isinstance(told, Progress):
                yield told
                return
            async for progress in _followed(door, told, seconds):
                yield progress


async def _publish(door: Door, body: bytes, seconds: float) -> str | Progress:
    """Where to follow it; or how it was rejected at once."""
    reply = await door.ask(request_of(body, "/notices"), seconds=seconds)
    if reply.status in REJECTING:
        return _rejected(body, reply)
    if reply.status != 202:
        raise door.failed(reply)
    path = _decoded(reply, Receipt, door).event
    if not path.startswith(EVENTS):
        raise door.failed(reply)
    return path


async def _followed(door: Door, path: str, seconds: float) -> AsyncIterator[Progress]:
    """Each change. A replica that has just begun may not know it yet: then it is as good as received."""
    loop = asyncio.get_running_loop()
    until, last = loop.time() + seconds, None
    while last is None or not last.is_final:
        waits = last is None or last.state is State.RECEIVED
        reply = await _progress(door, path, max(0.0, until - loop.time()) if waits else LOST_SECONDS)
        told = _decoded(reply, Progress, door) if reply.status == 200 else last
        if told is not None and told != last:
            yield told
        last = told
        if (last is None or last.state is State.RECEIVED) and loop.time() > until:
            raise Unanswered(seconds)
        if last is None or not last.is_final:
            await asyncio.sleep(POLL_SECONDS)


async def _progress(door: Door, path: str, seconds: float) -> Reply:
    """Its event is stored by now: a restart is waited for, and nothing sounds as if it had to be published again."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        try:
            reply = await door.ask(Request(path=path), seconds=max(0.0, until - loop.time()))
        except Unreachable as error:
            if loop.time() > until:
                raise Unwatched(str(error)) from None
            await asyncio.sleep(POLL_SECONDS)
            continue
        except DoorFailed as error:
            raise Unwatched(str(error)) from None
        if reply.status not in (200, 404):
            raise Unwatched(str(door.failed(reply)))
        return reply


def _expected(told: Outlook) -> NoticeChecked:
    """In the words of the broker."""
    return NoticeChecked(
        source=told.source,
        event=told.id,
        notice=told.notice,
        revision=told.revision,
        action=ACTION_OF.get(told.action),
        audience=told.audience,
        costs=told.costs,
        duration_seconds=told.duration_seconds,
        blockers=told.blockers,
        scheduled_at=told.begins_at,
    )


def problems_in(reply: Reply) -> tuple[Problem, ...]:
    """What the door said is wrong, each with its field."""
    try:
        details = msgspec.json.decode(reply.content, type=ProblemDetails)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return (Problem(field="event", problem=f"is refused with {reply.status}"),)
    forbidden = FORBIDDEN_FIELDS if reply.status == FORBIDDEN else ()
    found = tuple(
        Problem(field=error.field, problem=error.problem + (f"; {ANOTHER_TOKEN}" if error.field in forbidden else ""))
        for error in details.errors
    )
    return found or (Problem(field="event", problem=details.detail),)


def _rejected(body: bytes, reply: Reply) -> Progress:
    return Progress(
        event="",
        source=text_in(body, "source"),
        id=text_in(body, "id"),
        notice=text_in(body, "subject"),
        state=State.REJECTED,
        changed_at=system_clock(),
        problems=problems_in(reply),
    )


def _answer(told: Progress) -> Answer:
    """In the words of the broker."""
    if told.state is State.REJECTED:
        return NoticeRejected(source=told.source, event=told.id, notice=told.notice, problems=told.problems)
    usual = NoticeAccepted(source=told.source, event=told.id, notice=told.notice, revision=told.revision or 0)
    return msgspec.structs.replace(
        usual,
        action=told.action or usual.action,
        broadcast=told.broadcast,
        audience=told.audience,
        costs=told.costs,
        duration_seconds=told.duration_seconds,
        blockers=told.blockers,
        scheduled_at=told.scheduled_at,
    )


def _decoded(reply: Reply, kind: type[T], door: Door) -> T:
    try:
        return msgspec.json.decode(reply.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DoorFailed(f"{door.url} answers what we cannot read.", "Is the address right?") from None
