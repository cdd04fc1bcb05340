"""Meta's Graph API over HTTP/1.1. Knows when a request may have reached Meta and when it cannot have."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from msgspec import Struct

from services.dispatcher.domain.answers import (
    Accepted,
    Answer,
    ConnectedLate,
    NoAnswer,
    NotMeta,
    NotSent,
    Refused,
    Unreachable,
)
from services.dispatcher.domain.content import recipient_fields
from services.dispatcher.domain.pacing import FREE_SECONDS
from services.dispatcher.domain.reachability import KEY_REASON
from services.dispatcher.ports import Claim
from shared.contracts.message import Address
from shared.runtime.punctual_http import ConnectedLateError, GuardedBody, PunctualConnector
from shared.sealing import IndexKey, KeyRing, SealingError

CONNECT_SECONDS = 5.0
MAX_ANSWER_BYTES = 65_536
MAX_CODE = 2**31 - 1
# Another replica may have the right key; and one address that nobody can decrypt must not keep everybody busy.
UNDECRYPTABLE_SECONDS = 5.0


class _Message(Struct):
    id: str


class _Success(Struct):
    messages: list[_Message]


class _Error(Struct):
    code: int


class _Failure(Struct):
    error: _Error


_success = msgspec.json.Decoder(_Success)
_failure = msgspec.json.Decoder(_Failure)


class GraphApi:
    """One number's messages endpoint. Addresses are decrypted here, just before they are sent."""

    def __init__(self, session: aiohttp.ClientSession, *, url: str, keys: KeyRing, index_key: IndexKey) -> None:
        self._session = session
        self._url = url
        self._keys = keys
        self._index_key = index_key

    def message_key(self, message_id: str) -> bytes:
        """The keyed hash by which statuses and reactions find the message."""
        return self._index_key.index_once("wamid", message_id)

    async def send(self, claim: Claim, may_leave: Callable[[], bool]) -> Answer:
        """Send one message if it may leave at the moment of writing. A missing answer is no error: Meta may have it."""
        try:
            body = GuardedBody(self._encode(claim), may_leave)
        except SealingError:
            return Unreachable(KEY_REASON, UNDECRYPTABLE_SECONDS)
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False) as response:
                return _answer(response.status, await _read(response.content), response.headers)
        except ConnectedLateError:
            return ConnectedLate()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Unreachable(type(error).__name__)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NotSent("withheld") if body.withheld else NoAnswer(type(error).__name__)

    def can_decrypt(self, address: Address) -> bool:
        """Return whether our keys open this address."""
        try:
            return bool(self._decrypt(address))
        except SealingError:
            return False

    def _decrypt(self, address: Address) -> str:
        return self._keys.open(address.sealed, purpose=address.kind.value, index=address.index).decode()

    def _encode(self, claim: Claim) -> bytes:
        return msgspec.json.encode(
            {
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                **recipient_fields(claim.address.kind, self._decrypt(claim.address)),
                **claim.content,
                "biz_opaque_callback_data": str(claim.delivery),
            }
        )


async def _read(content: aiohttp.StreamReader) -> bytes:
    """Read the whole body, which may come in pieces; what is too long is not Meta's and stays unreadable."""
    body = b""
    while len(body) < MAX_ANSWER_BYTES and (piece := await content.read(MAX_ANSWER_BYTES - len(body))):
        body += piece
    return body


def _answer(status: int, body: bytes, headers: Mapping[str, str]) -> Answer:
    if status == 200:
        return _accepted(body)
    code = _code(body)
    if code is None:
        # 503 says that nobody took the request; after other faults behind a gateway Meta may have it.
        return NotMeta(status) if status < 500 or status == 503 else NoAnswer(f"HTTP {status}", foreign=True)
    return Refused(code=code, http_status=status, retry_after=_retry_after(headers))


def _accepted(body: bytes) -> Answer:
    try:
        return Accepted(_success.decode(body).messages[0].id)
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError):
        return NoAnswer("HTTP 200 that is not from Meta", foreign=True)


def _code(body: bytes) -> int | None:
    """Return Meta's code, as far as the ledger can hold it; None if there is none."""
    try:
        return max(-MAX_CODE, min(MAX_CODE, _failure.decode(body).error.code))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "")
    return float(value[:9]) if value.isascii() and value.isdecimal() else None


@asynccontextmanager
async def open_session(*, token: str, connections: int) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that carries the token. How long an answer may take is the caller's to watch."""
    connector = PunctualConnector(FREE_SECONDS, limit=connections, ttl_dns_cache=300, keepalive_timeout=30)
    headers = {"Authorization": f"Bearer {token}"}
    limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=limits) as session:
        yield session
