"""Client of the public notices API, with which the newsroom publishes like any other municipal system."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

from services.newsroom.domain.outbox import NoticeForecast, PublicationState, PublishAnswer
from shared.contracts.envelope import CONTENT_TYPE
from shared.contracts.events import Problem
from shared.contracts.notices_http import CHECK_PATH, PUBLISH_PATH
from shared.outcome import DependencyUnavailable

TIMEOUT_SECONDS = 10.0
_CHECKED = 200


class NoticesApiAway(DependencyUnavailable):
    """The notices API did not answer; it may have accepted the notice or not."""


class _Answer(msgspec.Struct, frozen=True):
    errors: tuple[Problem, ...] = ()


class HttpNoticesApi:
    """Client of a municipal system."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def publish(self, event: Mapping[str, Any]) -> PublishAnswer:
        """Publish the event; repeating it is safe. Raises NoticesApiAway."""
        answer, _ = await self._post(PUBLISH_PATH, msgspec.json.encode(event))
        return answer

    async def check(self, event: bytes) -> NoticeForecast:
        """Return the forecast of publishing the event. Raises NoticesApiAway."""
        answer, body = await self._post(CHECK_PATH, event)
        if answer.state is PublicationState.REJECTED:
            unnamed = Problem(field="event", problem=f"HTTP {answer.status}")
            return NoticeForecast(problems=answer.errors or (unnamed,))
        if answer.status != _CHECKED:
            raise NoticesApiAway(f"the notices API answered {answer.status}")
        try:
            return msgspec.json.decode(body, type=NoticeForecast)
        except msgspec.MsgspecError:
            raise NoticesApiAway("the notices API sent an invalid answer") from None

    async def _post(self, path: str, event: bytes) -> tuple[PublishAnswer, bytes]:
        """Return the answer with its body. Raises NoticesApiAway."""
        headers = {"Content-Type": CONTENT_TYPE}
        try:
            async with self._session.post(self._url + path, data=event, headers=headers) as response:
                retry_after, body = _parse_seconds(response.headers.get("Retry-After", "")), await response.read()
                return PublishAnswer(status=response.status, errors=_decode_errors(body), retry_after=retry_after), body
        except (ClientError, OSError, TimeoutError) as error:
            raise NoticesApiAway(type(error).__name__) from None


def _decode_errors(body: bytes) -> tuple[Problem, ...]:
    """Return the problems in the body; none if it is something else, such as a proxy's error page."""
    try:
        return msgspec.json.decode(body, type=_Answer).errors
    except msgspec.MsgspecError:
        return ()


def _parse_seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0.0


@asynccontextmanager
async def open_notices_api(url: str, token: str) -> AsyncIterator[HttpNoticesApi]:
    """Open a client with the token of a municipal system."""
    timeout, headers = ClientTimeout(total=TIMEOUT_SECONDS), {"Authorization": f"Bearer {token}"}
    async with ClientSession(timeout=timeout, headers=headers) as session:
        yield HttpNoticesApi(session, url)
