"""Meta's Graph API over HTTP/1.1. Knows when a request may have reached Meta and when it cannot have."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog
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
from services.dispatcher.domain.reachability import KEY_REASON
from services.dispatcher.ports import Claim
from shared.contracts.message import Address
from shared.runtime.post_client import (
    BrokenAnswerError,
    ConnectedLateError,
    ConnectError,
    HttpAnswer,
    PostClient,
    WithheldError,
)
from shared.sealing import IndexKey, KeyRing, SealingError

MAX_CODE = 2**31 - 1
# Another replica may have the right key; and one address that nobody can decrypt must not keep everybody busy.
UNDECRYPTABLE_SECONDS = 5.0

_log = structlog.get_logger()


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


@dataclass(frozen=True)
class GraphApi:
    """One number's messages endpoint. Addresses are decrypted here, moments before they are sent."""

    client: PostClient
    keys: KeyRing
    index_key: IndexKey

    def message_key(self, message_id: str) -> bytes:
        """The keyed hash by which statuses and reactions find the message."""
        return self.index_key.index_once("wamid", message_id)

    def prepare(self, claims: Iterable[Claim]) -> None:
        """Make the requests of new claims; one that cannot be made says so when it is to be sent."""
        for claim in claims:
            with suppress(Exception):
                claim.request = self._encode(claim)

    def send(self, claim: Claim, may_leave: Callable[[], bool]) -> asyncio.Future[HttpAnswer]:
        """Send one message if it may leave at the moment of writing; `answer` says what the future ended with."""
        try:
            return self.client.post(claim.request or self._encode(claim), may_leave)
        except Exception as error:  # of whatever one request is made of, it costs this one alone
            failed: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

    def answer(self, sent: asyncio.Future[HttpAnswer]) -> Answer:
        """A missing answer is no error: Meta may have the message."""
        try:
            return _answer(sent.result())
        except asyncio.CancelledError:
            return NoAnswer("given up")
        except SealingError:
            return Unreachable(KEY_REASON, UNDECRYPTABLE_SECONDS)
        except ConnectedLateError:
            return ConnectedLate()
        except ConnectError as error:
            return Unreachable(str(error))
        except WithheldError:
            return NotSent("withheld")
        except BrokenAnswerError as error:
            return NoAnswer(str(error))
        except Exception:
            _log.exception("send_failed")
            return NoAnswer("failed")

    def can_decrypt(self, address: Address) -> bool:
        """Return whether our keys open this address."""
        try:
            return bool(self._decrypt(address))
        except SealingError:
            return False

    def _decrypt(self, address: Address) -> str:
        return self.keys.open(address.sealed, purpose=address.kind.value, index=address.index).decode()

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


def _answer(answer: HttpAnswer) -> Answer:
    status = answer.status
    if status == 200:
        return _accepted(answer.body)
    code = _code(answer.body)
    if code is None:
        # 503 says that nobody took the request; after other faults behind a gateway Meta may have it.
        return NotMeta(status) if status < 500 or status == 503 else NoAnswer(f"HTTP {status}", foreign=True)
    return Refused(code=code, http_status=status, retry_after=_seconds(answer.headers.get(b"retry-after", b"")))


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


def _seconds(value: bytes) -> float | None:
    return float(value[:9]) if value.isdigit() else None
