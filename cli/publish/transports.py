"""Interface of a transport of events, and the one over HTTP; the other is the AMQP client."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

from cli.options import ANSWER_TIMEOUT_SECONDS
from cli.publish.amqp_client import NoAnswerError
from cli.publish.checks import CheckedEvent
from cli.publish.http_client import (
    ApiRequest,
    ApiResponse,
    NoticesApiClient,
    NoticesApiError,
    NoticesApiUnreachable,
    ProgressUnavailable,
    build_request,
    open_notices_api,
    read_attribute,
)
from cli.publish.results import Answer
from cli.settings import HttpPublisherSettings
from services.ingress.notices.errors import ProblemDetails
from services.ingress.notices.progress import EVENTS_PATH, EventProgress, EventState
from services.ingress.notices.validation import CheckResult, PublishResult
from shared.contracts.events import NoticeAccepted, NoticeAction, NoticeChecked, NoticeRejected, Problem
from shared.runtime.clock import system_clock

ACTION_OF = {
    "publish": NoticeAction.PUBLISHED,
    "update": NoticeAction.UPDATED,
    "withdraw": NoticeAction.WITHDRAWN,
}
POLL_INTERVAL_SECONDS = 0.5
OUTAGE_TIMEOUT_SECONDS = 120.0
REJECTION_STATUSES = (400, 403, 413, 422)
FORBIDDEN = 403
FORBIDDEN_FIELDS = ("source", "topic")
TOKEN_ADVICE = "ask the operator for a token that is for it"  # noqa: S105 - advice
T = TypeVar("T")


class Transport(Protocol):
    """A transport for events. `source` is the default source of events; empty if the notices API adds it."""

    @property
    def source(self) -> str: ...

    async def check(self, body: bytes, now: datetime, *, seconds: float) -> CheckedEvent:
        """Return what would become of the event; nothing is published."""

    async def send(self, body: bytes, *, seconds: float | None) -> Answer | None:
        """Return the answer within `seconds`; None if `seconds` is None. Raises NoAnswerError."""

    def watch(self, body: bytes, *, seconds: float) -> AsyncIterator[EventProgress]:
        """Publish, and yield each change until the last. Raises NoAnswerError if none comes within `seconds`."""


@dataclass(frozen=True, kw_only=True)
class HttpTransport:
    """Transport over HTTP with a token."""

    settings: HttpPublisherSettings
    source: str

    async def check(self, body: bytes, now: datetime, *, seconds: float) -> CheckedEvent:
        async with open_notices_api(self.settings.notices_api_url, self.settings.notices_api_token) as api:
            reply = await api.request(build_request(body, "/notices/check"), seconds=seconds)
        if reply.status in REJECTION_STATUSES:
            return CheckedEvent(body=body, problems=parse_problems(reply))
        if reply.status != 200:
            raise api.build_error(reply)
        outlook = _decode_response(reply, CheckResult, api)
        return CheckedEvent(body=body, expected=_convert_check_result(outlook), expires_at=outlook.expires_at)

    async def send(self, body: bytes, *, seconds: float | None) -> Answer | None:
        if seconds is None:
            async with open_notices_api(self.settings.notices_api_url, self.settings.notices_api_token) as api:
                told = await _publish(api, body, ANSWER_TIMEOUT_SECONDS)
            return _convert_answer(told) if isinstance(told, EventProgress) else None
        async with aclosing(self.watch(body, seconds=seconds)) as told_later:
            async for progress in told_later:
                if progress.state is not EventState.RECEIVED:
                    return _convert_answer(progress)
        raise NoAnswerError(seconds)

    async def watch(self, body: bytes, *, seconds: float) -> AsyncGenerator[EventProgress, None]:
        async with open_notices_api(self.settings.notices_api_url, self.settings.notices_api_token) as api:
            told = await _publish(api, body, seconds)
            if isinstance(told, EventProgress):
                yield told
                return
            async for progress in _follow_progress(api, told, seconds):
                yield progress


async def _publish(api: NoticesApiClient, body: bytes, seconds: float) -> str | EventProgress:
    """Return the path of the event's progress, or the progress itself if it was rejected at once."""
    reply = await api.request(build_request(body, "/notices"), seconds=seconds)
    if reply.status in REJECTION_STATUSES:
        return _build_rejection(body, reply)
    if reply.status != 202:
        raise api.build_error(reply)
    path = _decode_response(reply, PublishResult, api).event
    if not path.startswith(EVENTS_PATH):
        raise api.build_error(reply)
    return path


async def _follow_progress(api: NoticesApiClient, path: str, seconds: float) -> AsyncIterator[EventProgress]:
    """Yield each change; a 404 counts as received, as a replica that has just started may not know the event yet."""
    loop = asyncio.get_running_loop()
    until, last = loop.time() + seconds, None
    while last is None or not last.is_final:
        waits = last is None or last.state is EventState.RECEIVED
        reply = await _fetch_progress(api, path, max(0.0, until - loop.time()) if waits else OUTAGE_TIMEOUT_SECONDS)
        told = _decode_response(reply, EventProgress, api) if reply.status == 200 else last
        if told is not None and told != last:
            yield told
        last = told
        if (last is None or last.state is EventState.RECEIVED) and loop.time() > until:
            raise NoAnswerError(seconds)
        if last is None or not last.is_final:
            await asyncio.sleep(POLL_INTERVAL_SECONDS)


async def _fetch_progress(api: NoticesApiClient, path: str, seconds: float) -> ApiResponse:
    """Return the progress; as the event is stored, wait out restarts, and raise only ProgressUnavailable."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        try:
            reply = await api.request(ApiRequest(path=path), seconds=max(0.0, until - loop.time()))
        except NoticesApiUnreachable as error:
            if loop.time() > until:
                raise ProgressUnavailable(str(error)) from None
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
            continue
        except NoticesApiError as error:
            raise ProgressUnavailable(str(error)) from None
        if reply.status not in (200, 404):
            raise ProgressUnavailable(str(api.build_error(reply)))
        return reply


def _convert_check_result(told: CheckResult) -> NoticeChecked:
    """Convert a check result of the notices API to the AMQP message."""
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


def parse_problems(reply: ApiResponse) -> tuple[Problem, ...]:
    """Return the problems in the notices API's response, each with its field."""
    try:
        details = msgspec.json.decode(reply.content, type=ProblemDetails)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return (Problem(field="event", problem=f"is refused with {reply.status}"),)
    forbidden = FORBIDDEN_FIELDS if reply.status == FORBIDDEN else ()
    found = tuple(
        Problem(field=error.field, problem=error.problem + (f"; {TOKEN_ADVICE}" if error.field in forbidden else ""))
        for error in details.errors
    )
    return found or (Problem(field="event", problem=details.detail),)


def _build_rejection(body: bytes, reply: ApiResponse) -> EventProgress:
    return EventProgress(
        event="",
        source=read_attribute(body, "source"),
        id=read_attribute(body, "id"),
        notice=read_attribute(body, "subject"),
        state=EventState.REJECTED,
        changed_at=system_clock(),
        problems=parse_problems(reply),
    )


def _convert_answer(told: EventProgress) -> Answer:
    """Convert progress of the notices API to the AMQP answer."""
    if told.state is EventState.REJECTED:
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


def _decode_response(reply: ApiResponse, kind: type[T], api: NoticesApiClient) -> T:
    try:
        return msgspec.json.decode(reply.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NoticesApiError(f"{api.url} answers what we cannot read.", "Is the address right?") from None
