"""Client of the public notices API, with which our own programs publish like any other municipal system."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar

import msgspec
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from shared.contracts.envelope import CONTENT_TYPE
from shared.contracts.events import Problem
from shared.contracts.notices_http import (
    CHECK_PATH,
    PUBLISH_PATH,
    REJECTION_STATUSES,
    STORED,
    EventProgress,
    NoticeForecast,
    ProblemDetails,
    PublishResult,
    event_path,
)
from shared.outcome import DependencyUnavailable
from shared.runtime.http_errors import describe_connection_error

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 1_000_000
_OK, _UNAUTHORIZED, _NOT_FOUND = 200, 401, 404
_ADVICE = (
    "it may be wrong, expired or revoked. Make a new one (`kreisfunk tokens create`), put it into the file "
    "kreisfunk_notices_api_token of this process, and start the process again"
)
T = TypeVar("T")


class NoticesApiUnavailable(DependencyUnavailable):
    """No conclusive answer: an event may be stored or not. It may be sent again after `retry_after` seconds."""

    def __init__(self, problem: str, retry_after: float = 0.0) -> None:
        super().__init__(f"the notices API {problem}")
        self.retry_after = retry_after


class TokenRefused(NoticesApiUnavailable):
    """The token is not accepted; until a person changes that, nothing can be published."""


class ApiAnswer(NamedTuple):
    """An answer of any status; `retry_after` is in seconds, 0 if it names none."""

    status: int
    body: bytes = b""
    retry_after: float = 0.0


class HttpNoticesApi:
    """Client of a municipal system, whose token is in the session's headers."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def publish(self, event: bytes) -> tuple[Problem, ...]:
        """Publish the event; return why it is rejected, nothing once it is stored. Repeating it is safe.

        Raises NoticesApiUnavailable.
        """
        answer = await self._send(PUBLISH_PATH, event)
        if answer.status != STORED:
            return _decode_problems(answer)
        _decode(answer, PublishResult, STORED)  # a proxy's page may be 202, too
        return ()

    async def check(self, event: bytes) -> NoticeForecast:
        """Return the forecast of publishing the event. Raises NoticesApiUnavailable."""
        answer = await self._send(CHECK_PATH, event)
        if answer.status == _OK:
            return _decode(answer, NoticeForecast)
        return NoticeForecast(problems=_decode_problems(answer))

    async def fetch_progress(self, source: str, event_id: str) -> EventProgress | None:
        """Return the progress of an event, None if it is not known (yet). Raises NoticesApiUnavailable."""
        answer = await self._send(event_path(source, event_id))
        return None if answer.status == _NOT_FOUND else _decode(answer, EventProgress)

    async def request(self, path: str, body: bytes, headers: Mapping[str, str]) -> ApiAnswer:
        """Send one request, a GET without a body. No redirect is followed, so that no other address gets the token.

        Raises ClientError, TimeoutError, or NoticesApiUnavailable for an answer that is too long.
        """
        method = "POST" if body else "GET"
        async with self._session.request(
            method, self._url + path, data=body or None, headers=headers, allow_redirects=False
        ) as response:
            retry_after = _parse_seconds(response.headers.get("Retry-After", ""))
            return ApiAnswer(response.status, await _read_body(response), retry_after)

    async def _send(self, path: str, event: bytes = b"") -> ApiAnswer:
        try:
            answer = await self.request(path, event, {"Content-Type": CONTENT_TYPE})
        except (ClientError, OSError, TimeoutError) as error:
            raise NoticesApiUnavailable(f"at {self._url}: {describe_connection_error(error)}") from None
        if answer.status == _UNAUTHORIZED:
            raise TokenRefused(f"refuses the token: {_ADVICE}")
        return answer


async def _read_body(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise NoticesApiUnavailable(f"answers more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _decode(answer: ApiAnswer, kind: type[T], status: int = _OK) -> T:
    if answer.status != status:
        raise NoticesApiUnavailable(f"answers {answer.status}", answer.retry_after)
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NoticesApiUnavailable("sends an invalid answer") from None


def _decode_problems(answer: ApiAnswer) -> tuple[Problem, ...]:
    """Return why the event is rejected. Raises NoticesApiUnavailable for anything else, such as a proxy's page."""
    if answer.status not in REJECTION_STATUSES:
        raise NoticesApiUnavailable(f"answers {answer.status}", answer.retry_after)
    try:
        details = msgspec.json.decode(answer.body, type=ProblemDetails)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NoticesApiUnavailable(f"answers {answer.status} without a reason; does a proxy answer?") from None
    problems = tuple(Problem(field=error.field, problem=error.problem) for error in details.errors)
    return problems or (Problem(field="event", problem=details.detail),)


def _parse_seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0.0


@asynccontextmanager
async def open_notices_api(url: str, token: str, seconds: float = TIMEOUT_SECONDS) -> AsyncIterator[HttpNoticesApi]:
    """Open a client with the token of a municipal system; `seconds` is the time-out of each request."""
    headers = {"Authorization": f"Bearer {token}"}
    async with ClientSession(timeout=ClientTimeout(total=seconds), headers=headers) as session:
        yield HttpNoticesApi(session, url)
