"""Client of the notices API, the public contract over which the newsroom publishes as any other municipal system."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

from services.newsroom.domain.outbox import NoticeForecast, PublicationState, PublishAnswer
from shared.contracts.envelope import CONTENT_TYPE
from shared.contracts.events import Problem
from shared.outcome import DependencyUnavailable

TIMEOUT_SECONDS = 10.0
_CHECKED = 200


class NoticesApiAway(DependencyUnavailable):
    """The notices API did not answer; nobody knows whether it took the notice."""


class _Answer(msgspec.Struct, frozen=True):
    errors: tuple[Problem, ...] = ()


class HttpNoticesApi:
    """Requests of a municipal system."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def publish(self, event: Mapping[str, Any]) -> PublishAnswer:
        """Publish the event; the same one may be published again. Raises NoticesApiAway."""
        answer, _ = await self._post("/notices", msgspec.json.encode(event))
        return answer

    async def check(self, event: bytes) -> NoticeForecast:
        """Return what publishing would do. Raises NoticesApiAway."""
        answer, body = await self._post("/notices/check", event)
        if answer.state is PublicationState.REJECTED:
            unnamed = Problem(field="event", problem=f"HTTP {answer.status}")
            return NoticeForecast(problems=answer.errors or (unnamed,))
        if answer.status != _CHECKED:
            raise NoticesApiAway(f"the notices API answered {answer.status}")
        try:
            return msgspec.json.decode(body, type=NoticeForecast)
        except msgspec.MsgspecError:
            raise NoticesApiAway("the notices API answered something else") from None

    async def _post(self, path: str, event: bytes) -> tuple[PublishAnswer, bytes]:
        """Return the answer with its body. Raises NoticesApiAway."""
        headers = {"Content-Type": CONTENT_TYPE}
        try:
            async with self._session.post(self._url + path, data=event, headers=headers) as found:
                retry_after, body = _parse_seconds(found.headers.get("Retry-After", "")), await found.read()
                return PublishAnswer(status=found.status, errors=_decode_errors(body), retry_after=retry_after), body
        except (ClientError, OSError, TimeoutError) as error:
            raise NoticesApiAway(type(error).__name__) from None


def _decode_errors(body: bytes) -> tuple[Problem, ...]:
    """Return what is wrong; nothing if a proxy sent something else."""
    try:
        return msgspec.json.decode(body, type=_Answer).errors
    except msgspec.MsgspecError:
        return ()


def _parse_seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0.0


@asynccontextmanager
async def open_notices_api(url: str, token: str) -> AsyncIterator[HttpNoticesApi]:
    """Open a client with a municipal system's token."""
    timeout, headers = ClientTimeout(total=TIMEOUT_SECONDS), {"Authorization": f"Bearer {token}"}
    async with ClientSession(timeout=timeout, headers=headers) as session:
        yield HttpNoticesApi(session, url)
