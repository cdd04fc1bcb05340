"""Client of Meta's Graph API over HTTP/1.1, which knows whether a request may have reached Meta."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout
from msgspec import Struct

from services.dispatcher.domain import send_results
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.content import build_recipient_fields
from services.dispatcher.domain.errors import UNKNOWN_CODE, ErrorAction, clamp_code, find_error_rule
from services.dispatcher.domain.reachability import UNDECRYPTABLE_REASON
from services.dispatcher.domain.send_results import NoResponse, Refused, SendResult, Unreachable
from shared.contracts.message import Address
from shared.encryption import BlindIndexKey, EncryptionError, KeyRing
from shared.runtime import post_client
from shared.runtime.post_client import HttpAnswer, PostClient

TIMEOUT = ClientTimeout(total=10)

_log = structlog.get_logger()


class _Message(Struct):
    id: str


class _Error(Struct):
    code: int
    error_subcode: object = None
    fbtrace_id: object = None


class _Body(Struct):
    """Answer from Meta; one from anything else has neither field."""

    messages: tuple[_Message, ...] | None = None
    error: _Error | None = None


_decoder = msgspec.json.Decoder(_Body)


@dataclass(frozen=True)
class GraphApi:
    """Client for one phone number. Addresses are decrypted here, just before they are sent."""

    client: PostClient
    keys: KeyRing
    index_key: BlindIndexKey
    session: ClientSession
    contact_book_url: str

    def hash_message_id(self, message_id: str) -> bytes:
        """Return the keyed hash by which statuses and reactions find the message."""
        return self.index_key.compute_base_index("wamid", message_id)

    def prepare(self, claims: Iterable[Claim]) -> None:
        """Encode requests together, which costs less than one by one; errors are ignored here and recur in `send`."""
        for claim in claims:
            with suppress(Exception):
                claim.request = self._encode(claim)

    def send(self, claim: Claim, may_leave: Callable[[], bool]) -> asyncio.Future[HttpAnswer]:
        """Send one message if it may leave at the moment of writing; `answer` converts the future to a result."""
        try:
            return self.client.post(claim.request or self._encode(claim), may_leave)
        except Exception as error:  # an error in building a request affects only this one
            failed: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

    def answer(self, request: asyncio.Future[HttpAnswer]) -> SendResult:
        """Convert the future to a result; a missing answer is not an error, as Meta may have the message."""
        try:
            return _parse_response(request.result())
        except asyncio.CancelledError:
            return NoResponse("no answer in time")
        except EncryptionError:
            return Refused(UNDECRYPTABLE_REASON)
        except post_client.ConnectedLateError:
            return send_results.ConnectedLate()
        except post_client.ConnectError as error:
            return Unreachable(str(error))
        except post_client.WithheldError:
            return send_results.NotSent()
        except post_client.BrokenAnswerError as error:
            return NoResponse(str(error))
        except Exception:
            _log.exception("send_failed")
            return NoResponse("failed")

    async def delete_contact(self, user: Address) -> bool:
        """Have Meta delete a number's pairing with a user id; return False if it must be retried.

        Meta, "Business-scoped user IDs" (June 2026). Meta takes the user id in the URL of the request; it is sent to
        Meta only, and logged nowhere.
        """
        try:
            query = {"messaging_product": "whatsapp", "bsuid": self._decrypt(user)}
            request = self.session.delete(self.contact_book_url, params=query, timeout=TIMEOUT, allow_redirects=False)
            async with request as response:
                _log.info("contact_book_asked", status=response.status)
                return _is_deleted(response.status, await response.read())
        except EncryptionError:
            _log.error("contact_book_unreadable")  # to a replica with a wrong key: another one may have the right one
            return False
        except (ClientError, TimeoutError, OSError) as error:
            _log.warning("contact_book_unavailable", reason=type(error).__name__)
            return False

    def is_decryptable(self, address: Address) -> bool:
        try:
            return bool(self._decrypt(address))
        except EncryptionError:
            return False

    def _decrypt(self, address: Address) -> str:
        return self.keys.decrypt(address.sealed, purpose=address.kind, index=address.index).decode()

    def _encode(self, claim: Claim) -> bytes:
        return msgspec.json.encode(
            {
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                **build_recipient_fields(claim.address.kind, self._decrypt(claim.address)),
                **claim.content,
                "biz_opaque_callback_data": str(claim.delivery),
            }
        )


def _parse_response(answer: HttpAnswer) -> SendResult:
    status, body = answer.status, _parse_body(answer.body)
    is_success = 200 <= status < 300
    if is_success and body.messages:
        return send_results.Accepted(body.messages[0].id)
    # Meta may have the message if a gateway answers with an error: Envoy's 503 may mean that the connection broke.
    may_have_arrived = is_success or status >= 500
    error = body.error
    is_listed = error is not None and find_error_rule(error.code) is not UNKNOWN_CODE
    # Gateways write the HTTP status into JSON of this shape, too; Meta's JSON has an id for its support.
    if is_success or error is None or not (is_listed or error.fbtrace_id):
        return (NoResponse if may_have_arrived else Refused)(f"HTTP {status} that is not from Meta", foreign=True)
    if may_have_arrived and not is_listed:
        return NoResponse(f"HTTP {status} with a code that is not listed")
    seconds = answer.headers.get(b"retry-after", b"")
    retry_after = float(seconds[:9]) if seconds.isdigit() else None
    code = 33 if (error.code, error.error_subcode) == (100, 33) else clamp_code(error.code)
    return send_results.ErrorResponse(code=code, http_status=status, retry_after=retry_after)


def _is_deleted(status: int, body: bytes) -> bool:
    """Return whether Meta has deleted a contact or does not know it; a page of a proxy or "too fast" says neither."""
    if 200 <= status < 300:
        return not body.lstrip().startswith(b"<")
    answer = _parse_response(HttpAnswer(status, {}, body))
    is_final = isinstance(answer, send_results.ErrorResponse) and answer.rule.action is ErrorAction.DROP
    return status in (400, 404) and is_final


def _parse_body(text: bytes) -> _Body:
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Body()
