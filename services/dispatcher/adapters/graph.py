"""Meta's Graph API over HTTP/1.1. Knows when a request may have reached Meta and when it cannot have."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import msgspec
from msgspec import Struct

from services.dispatcher.domain.answers import Accepted, Answer, NoAnswer, NotSent, Refused
from services.dispatcher.domain.content import recipient_fields
from services.dispatcher.ports import Claim
from shared.sealing import IndexKey, KeyRing, SealingError

CONNECT_SECONDS = 5.0
RETRY_CONNECT_SECONDS = 1.0
ANSWER_LIMIT = 65_536


class _Message(Struct):
    id: str


class _Success(Struct):
    messages: list[_Message]


class _Error(Struct):
    code: int | None = None


class _Failure(Struct):
    error: _Error


_success = msgspec.json.Decoder(_Success)
_failure = msgspec.json.Decoder(_Failure)


class ConnectWatch:
    """How long new connections take; what was sent on one of them left so much later than planned."""

    def __init__(self) -> None:
        self._slowest = 0.0
        self.tracing = aiohttp.TraceConfig()
        self.tracing.on_connection_create_start.append(self._began)
        self.tracing.on_connection_create_end.append(self._ended)

    def slowest(self) -> float:
        """Seconds that the slowest one took since the last question."""
        slowest, self._slowest = self._slowest, 0.0
        return slowest

    async def _began(self, _: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.began = asyncio.get_running_loop().time()

    async def _ended(self, _: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        self._slowest = max(self._slowest, asyncio.get_running_loop().time() - context.began)


class GraphApi:
    """One number's messages endpoint. Addresses are opened here, just before they are sent."""

    def __init__(
        self, session: aiohttp.ClientSession, *, url: str, keys: KeyRing, index_key: IndexKey, watch: ConnectWatch
    ) -> None:
        self._session = session
        self._watch = watch
        self._url = url
        self._keys = keys
        self._index_key = index_key

    def message_key(self, message_id: str) -> bytes:
        """The keyed hash by which statuses and reactions find the message."""
        return self._index_key.index("wamid", message_id)

    def slowest_connect(self) -> float:
        """Seconds that the slowest new connection took since the last question."""
        return self._watch.slowest()

    async def send(self, claim: Claim) -> Answer:
        """Send one message. A missing answer is not an error: Meta may have it."""
        try:
            body = self._body(claim)
        except SealingError:
            return Refused(code=None, http_status=400)
        try:
            async with self._session.post(self._url, data=body) as response:
                return _answer(response.status, await response.content.read(ANSWER_LIMIT), response.headers)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return NotSent(type(error).__name__, RETRY_CONNECT_SECONDS)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(type(error).__name__)

    def _body(self, claim: Claim) -> bytes:
        address = claim.address
        value = self._keys.open(address.sealed, purpose=address.kind.value, index=address.index).decode()
        return msgspec.json.encode(
            {
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                **recipient_fields(address.kind, value),
                **claim.content,
                "biz_opaque_callback_data": str(claim.delivery),
            }
        )


def _answer(status: int, body: bytes, headers: Mapping[str, str]) -> Answer:
    if status == 200:
        return _accepted(body)
    return Refused(code=_code(body), http_status=status, retry_after=_retry_after(headers))


def _accepted(body: bytes) -> Answer:
    try:
        return Accepted(_success.decode(body).messages[0].id)
    except (msgspec.DecodeError, IndexError):
        return NoAnswer("unreadable answer")


def _code(body: bytes) -> int | None:
    try:
        return _failure.decode(body).error.code
    except msgspec.DecodeError:
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "")
    return min(float(value), 3600.0) if value.isdecimal() else None


@asynccontextmanager
async def open_session(*, token: str, connections: int, watch: ConnectWatch) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that carries the token. How long an answer may take is the caller's to watch."""
    connector = aiohttp.TCPConnector(limit=connections, limit_per_host=0, ttl_dns_cache=300, keepalive_timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=limits, trace_configs=[watch.tracing]
    ) as session:
        yield session
