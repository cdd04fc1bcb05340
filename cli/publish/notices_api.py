"""Client of the notices API: repeats retryable requests and explains other failures.

Events are sent as CloudEvents, or as plain JSON if only the token determines the source.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
import typer
from yarl import URL

from cli.options import ANSWER_TIMEOUT_SECONDS
from cli.output import Exit
from cli.publish.events import read_attribute
from cli.publish.results import CheckedEvent
from cli.settings import NOTICES_API_URL, PublisherSettings, read_installation_settings
from cli.stacks import read_settings_from
from shared.contracts.envelope import CONTENT_TYPE
from shared.contracts.events import Problem
from shared.contracts.notices_http import (
    ACTIONS,
    CHECK_PATH,
    EVENTS_PATH,
    PUBLISH_PATH,
    REJECTION_STATUSES,
    STORED,
    CheckResult,
    EventProgress,
    EventState,
    ProblemDetails,
    PublishResult,
    start_progress,
)
from shared.notices.cloudevents import check_unknown_attributes
from shared.runtime.clock import system_clock
from shared.runtime.notices_api import ApiAnswer, HttpNoticesApi, NoticesApiUnavailable, open_notices_api

REQUEST_TIMEOUT_SECONDS = 30.0
DEFAULT_RETRY_DELAY_SECONDS = 1.0
NO_ANSWER, TOO_MANY_REQUESTS, UNAVAILABLE = 0, 429, 503
RETRYABLE = (NO_ANSWER, TOO_MANY_REQUESTS, UNAVAILABLE)
POLL_INTERVAL_SECONDS = 0.5
OUTAGE_TIMEOUT_SECONDS = 120.0
FORBIDDEN = 403
FORBIDDEN_FIELDS = ("source", "topic")
TOKEN_ADVICE = "ask the operator for a token that is for it"  # noqa: S105 - advice
_ACTION_OF_TYPE = {message.TYPE: action for action, message in ACTIONS.items()}
Headers = Mapping[str, str]
NO_HEADERS: Headers = {}
T = TypeVar("T")

_AUTHORIZATION_ADVICE = (
    "It may be wrong, expired or withdrawn. Ask the operator for a new one (`kreisfunk tokens create`) and put it "
    "into KREISFUNK_NOTICES_API_TOKEN, or into a file kreisfunk_notices_api_token in KREISFUNK_SECRETS_DIR."
)
UNCERTAIN_ADVICE = "It may or may not have the notice."


class NoticesApiError(Exception):
    """The request failed; `advice` says what to do, and whether the notice may have been published."""

    status = Exit.UNAVAILABLE

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.advice = advice


class NoAnswerError(NoticesApiError):
    """The event is stored at the broker, but no answer came within `seconds`."""

    status = Exit.NO_ANSWER

    def __init__(self, seconds: float) -> None:
        problem = f"The notice is stored (the broker has it), but nobody answered within {seconds:g} s."
        advice = "If the subscriptions service is running, it will handle the notice; do not publish it again."
        super().__init__(problem, advice)


class ProgressUnavailable(NoticesApiError):
    """The event is stored, but its progress cannot be read."""

    status = Exit.NO_ANSWER

    def __init__(self, reason: NoticesApiError) -> None:
        problem = f"The notice is stored, but its progress cannot be read. {reason}"
        super().__init__(problem, "Publishing again is not needed.")


@dataclass(frozen=True)
class NoticesApiClient:
    """Client with one address and one token; an answer with status 0 means that there was none."""

    url: str
    api: HttpNoticesApi

    async def request(
        self, path: str, body: bytes = b"", headers: Headers = NO_HEADERS, *, seconds: float, patient: bool = False
    ) -> ApiAnswer:
        """Return the response; retryable ones are repeated for up to `seconds`. Raises NoticesApiError.

        A refused connection is retryable only if `patient`: in a first request the address may be wrong. Once a notice
        may have been published, only the answer to it counts; everything else leaves it uncertain.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        uncertain: ApiAnswer | None = None
        while True:
            try:
                reply = await self._send_once(path, body, headers, patient=patient)
            except NoticesApiError as error:
                raise (self.build_error(uncertain, uncertain=True) if uncertain else error) from None
            if body and path == PUBLISH_PATH and (reply.status == NO_ANSWER or reply.status >= 500):
                uncertain = uncertain or reply
            if reply.status not in RETRYABLE and (uncertain is None or reply.status in (STORED, *REJECTION_STATUSES)):
                return reply
            if reply.status not in RETRYABLE or loop.time() + compute_delay(reply) > until:
                raise self.build_error(uncertain or reply, uncertain=uncertain is not None)
            await asyncio.sleep(compute_delay(reply))

    async def _send_once(self, path: str, body: bytes, headers: Headers, *, patient: bool) -> ApiAnswer:
        try:
            return await self.api.request(path, body, headers)
        except NoticesApiUnavailable:
            problem = f"{URL(self.url).host} sends a longer answer than the notices API."
            raise NoticesApiError(problem, "Is the address right?") from None
        except aiohttp.ClientConnectorCertificateError:
            problem = f"{self.url}: its certificate is not trusted."
            raise NoticesApiError(problem, "Is this the right address?") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) and not patient:
                advice = "Is the address right, and is Kreisfunk running?"
                raise NoticesApiError(f"{self.url} cannot be reached.", advice) from None
            return ApiAnswer(NO_ANSWER)

    def build_error(self, reply: ApiAnswer, *, uncertain: bool = False) -> NoticesApiError:
        """Return the error for a response, in plain words; `uncertain` if the notice may have been published."""
        later = f"Nothing was published. Try again in {compute_delay(reply):.0f} s, or wait longer with --timeout."
        explanations = {
            NO_ANSWER: (f"{self.url} gave no answer.", later),
            401: (f"{self.url} refuses this token.", _AUTHORIZATION_ADVICE),
            429: ("Too many requests with this token.", later),
            503: ("Kreisfunk cannot take notices just now.", later),
        }
        if reply.status in explanations:
            problem, advice = explanations[reply.status]
        elif 300 <= reply.status < 400:
            problem = f"{self.url} redirects to another address."
            advice = "Give the address of the notices API itself."
        elif reply.status < 500:
            problem, advice = f"{self.url} is not a notices API of Kreisfunk ({reply.status}).", "Is the address right?"
        else:
            problem = f"An error of Kreisfunk ({reply.status})."
            advice = "Try again; if it persists, tell the operator."
        return NoticesApiError(problem, UNCERTAIN_ADVICE if uncertain else advice)


def compute_delay(reply: ApiAnswer) -> float:
    """Return the seconds until the same request may be sent again."""
    return max(DEFAULT_RETRY_DELAY_SECONDS, reply.retry_after)


def encode_request(body: bytes) -> tuple[bytes, Headers]:
    """Return body and headers of the request for an event; they are always the same, so it may be repeated."""
    event: dict[str, Any] = msgspec.json.decode(body)
    identifier, action = event.get("id"), _ACTION_OF_TYPE.get(str(event.get("type")))
    is_key = isinstance(identifier, str) and identifier.isascii() and identifier.isprintable()
    if event.get("source") or not is_key or action is None or not isinstance(event.get("data"), dict):
        return body, {"Content-Type": CONTENT_TYPE}
    expiry = {"expires_at": event["expirytime"]} if "expirytime" in event else {}
    plain = {**event["data"], "action": action, "notice": event.get("subject"), **expiry}
    return msgspec.json.encode(plain), {"Content-Type": "application/json", "Idempotency-Key": str(identifier)}


@dataclass(frozen=True, kw_only=True)
class NoticesApiPublisher:
    """A municipal system with a token; `source` is the default of events, empty if the notices API adds it."""

    settings: PublisherSettings
    source: str

    async def check(self, body: bytes, *, seconds: float) -> CheckedEvent:
        """Return the expected result of the event; publish nothing.

        Attributes that would have no effect in plain JSON are refused as those of a CloudEvent are.
        """
        content, headers = encode_request(body)
        left_out = () if content == body else check_unknown_attributes(msgspec.json.decode(body))
        async with self._open_api() as api:
            reply = await api.request(CHECK_PATH, content, headers, seconds=seconds)
        if reply.status not in (200, *REJECTION_STATUSES):
            raise api.build_error(reply)
        if problems := (*left_out, *(() if reply.status == 200 else parse_problems(reply))):
            return CheckedEvent(body=body, problems=problems)
        return CheckedEvent(body=body, expected=_decode_response(reply, CheckResult, api))

    async def publish(self, body: bytes) -> EventProgress:
        """Return as soon as the event is stored, or rejected at once."""
        async with self._open_api() as api:
            return await _publish(api, body, ANSWER_TIMEOUT_SECONDS)

    async def watch(self, body: bytes, *, seconds: float) -> AsyncGenerator[EventProgress, None]:
        """Publish, and yield each change until the last. Raises NoAnswerError if none comes within `seconds`."""
        async with self._open_api() as api:
            first = await _publish(api, body, seconds)
            if first.is_final:
                yield first
                return
            async for progress in _follow_progress(api, first.event, seconds):
                yield progress

    @asynccontextmanager
    async def _open_api(self) -> AsyncIterator[NoticesApiClient]:
        url, token = self.settings.notices_api_url, self.settings.notices_api_token.get_secret_value()
        async with open_notices_api(url, token, REQUEST_TIMEOUT_SECONDS) as api:
            yield NoticesApiClient(url, api)


def find_publisher(url: str | None, stack: Path | None, source: str | None) -> NoticesApiPublisher:
    """Return a publisher with the token of the environment or, without an address, of a running local stack.

    Ends the command with status 2 if a required setting is missing.
    """
    if url is None:
        settings = read_installation_settings(PublisherSettings, stack, NOTICES_API_URL, lambda local: local.publisher)
    elif stack is None:
        settings = read_settings_from({**os.environ, NOTICES_API_URL: url}, PublisherSettings)
    else:
        raise typer.BadParameter("give --url or --stack, not both")
    return NoticesApiPublisher(settings=settings, source=source or settings.source or "")


async def _publish(api: NoticesApiClient, body: bytes, seconds: float) -> EventProgress:
    """Return the event as received, or as rejected at once."""
    reply = await api.request(PUBLISH_PATH, *encode_request(body), seconds=seconds)
    if reply.status in REJECTION_STATUSES:
        source, identifier, notice = (read_attribute(body, name) for name in ("source", "id", "subject"))
        received = start_progress(source, identifier, notice, system_clock())
        return msgspec.structs.replace(received, state=EventState.REJECTED, problems=parse_problems(reply))
    if reply.status != STORED:
        raise api.build_error(reply)
    stored = _decode_response(reply, PublishResult, api)
    if not stored.event.startswith(EVENTS_PATH):
        raise api.build_error(reply)
    received = start_progress(stored.source, stored.id, stored.notice, system_clock())
    return msgspec.structs.replace(received, event=stored.event)


async def _follow_progress(api: NoticesApiClient, path: str, seconds: float) -> AsyncIterator[EventProgress]:
    """Yield each change; a 404 counts as received, as a replica that has just started may not know the event yet."""
    loop = asyncio.get_running_loop()
    until, last = loop.time() + seconds, None
    while last is None or not last.is_final:
        pending = last is None or last.state is EventState.RECEIVED
        reply = await _fetch_progress(api, path, max(0.0, until - loop.time()) if pending else OUTAGE_TIMEOUT_SECONDS)
        progress = _decode_response(reply, EventProgress, api) if reply.status == 200 else last
        if progress is not None and progress != last:
            yield progress
        last = progress
        if (last is None or last.state is EventState.RECEIVED) and loop.time() > until:
            raise NoAnswerError(seconds)
        if last is None or not last.is_final:
            await asyncio.sleep(POLL_INTERVAL_SECONDS)


async def _fetch_progress(api: NoticesApiClient, path: str, seconds: float) -> ApiAnswer:
    """Return the progress; as the event is stored, wait out restarts, and raise only ProgressUnavailable."""
    try:
        reply = await api.request(path, seconds=seconds, patient=True)
    except NoticesApiError as error:
        raise ProgressUnavailable(error) from None
    if reply.status not in (200, 404):
        raise ProgressUnavailable(api.build_error(reply))
    return reply


def parse_problems(reply: ApiAnswer) -> tuple[Problem, ...]:
    """Return the problems in the notices API's response, each with its field."""
    try:
        details = msgspec.json.decode(reply.body, type=ProblemDetails)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return (Problem(field="event", problem=f"is refused with {reply.status}"),)
    forbidden = FORBIDDEN_FIELDS if reply.status == FORBIDDEN else ()
    problems = tuple(
        Problem(field=error.field, problem=error.problem + (f"; {TOKEN_ADVICE}" if error.field in forbidden else ""))
        for error in details.errors
    )
    return problems or (Problem(field="event", problem=details.detail),)


def _decode_response(reply: ApiAnswer, kind: type[T], api: NoticesApiClient) -> T:
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NoticesApiError(f"{api.url} sent an answer that cannot be read.", "Is the address right?") from None
