"""Client of the notices API: repeats retryable requests and explains other failures.

Events are sent as CloudEvents, or as plain JSON if only the token determines the source.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import SecretStr

from services.ingress.notices.parsing import ACTIONS
from shared.contracts.envelope import CONTENT_TYPE

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MAX_RESPONSE_BYTES = 1_000_000
REQUEST_TIMEOUT_SECONDS = 30.0
DEFAULT_RETRY_DELAY_SECONDS = 1.0
TOO_MANY_REQUESTS, UNAVAILABLE = 429, 503
_ACTION_OF = {kind.TYPE: action for action, kind in ACTIONS.items()}

_AUTHORIZATION_ADVICE = (
    "It may be wrong, expired or withdrawn. Ask the operator for a new one (`kreisfunk tokens create`) and put it "
    "into KREISFUNK_NOTICES_API_TOKEN, or into a file kreisfunk_notices_api_token in KREISFUNK_SECRETS_DIR."
)


class NoticesApiError(Exception):
    """As far as we know nothing was published; `advice` says what to do."""

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.advice = advice


class NoticesApiUnreachable(NoticesApiError):
    """Nothing answers at this address at present."""


class ProgressUnavailable(Exception):
    """The event is stored, but its progress cannot be read."""


@dataclass(frozen=True, kw_only=True)
class ApiRequest:
    """A request to a path of the notices API."""

    path: str
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ApiResponse:
    """The response; status 0 if there was none."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_retryable(self) -> bool:
        """True if the same request may succeed later."""
        return self.status in (0, TOO_MANY_REQUESTS, UNAVAILABLE)

    @property
    def retry_delay(self) -> float:
        """Seconds to wait before repeating the request."""
        text = self.headers.get("Retry-After", "")
        return max(DEFAULT_RETRY_DELAY_SECONDS, float(text)) if text.isdecimal() else DEFAULT_RETRY_DELAY_SECONDS


@dataclass(frozen=True, kw_only=True)
class NoticesApiClient:
    """Client with one address and one token; redirects are not followed, so that no other address gets the token."""

    url: str
    token: SecretStr
    session: "ClientSession" = field(repr=False)

    async def request(self, request: ApiRequest, *, seconds: float) -> ApiResponse:
        """Return the response; retryable ones are repeated for up to `seconds`. Raises NoticesApiError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            reply = await self._send_once(request)
            if not reply.is_retryable:
                return reply
            if loop.time() + reply.retry_delay > until:
                raise self.build_error(reply)
            await asyncio.sleep(reply.retry_delay)

    async def _send_once(self, request: ApiRequest) -> ApiResponse:
        # Imported here, since publishing over AMQP does not need it.
        from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientError

        headers = {"Authorization": f"Bearer {self.token.get_secret_value()}", **request.headers}
        try:
            async with self.session.request(
                request.method, self.url + request.path, headers=headers, data=request.body, allow_redirects=False
            ) as answer:
                return ApiResponse(status=answer.status, content=await _read_content(answer), headers=answer.headers)
        except ClientConnectorCertificateError:
            problem = f"{self.url}: its certificate is not trusted."
            raise NoticesApiError(problem, "Is this the right address?") from None
        except ClientConnectorError:
            advice = "Is the address right, and does Kreisfunk run?"
            raise NoticesApiUnreachable(f"{self.url} cannot be reached.", advice) from None
        except (ClientError, TimeoutError):
            return ApiResponse(status=0)

    def build_error(self, reply: ApiResponse) -> NoticesApiError:
        """Return the error for a response, in plain words for the person at the terminal."""
        later = f"Nothing was published. Try again in {reply.retry_delay:.0f} s, or wait longer with --timeout."
        match reply.status:
            case 0:
                problem = f"{self.url} gave no answer."
                advice = "Nobody knows whether it has the notice. See whether it went out before you publish it again."
            case 401:
                problem, advice = f"{self.url} refuses this token.", _AUTHORIZATION_ADVICE
            case 429:
                problem, advice = "Too many requests with this token.", later
            case 503:
                problem, advice = "Kreisfunk cannot take notices just now.", later
            case status if 300 <= status < 400:
                problem = f"{self.url} redirects to another address."
                advice = "Give the address of the notices API itself."
            case status if status < 500:
                problem, advice = f"{self.url} is not a notices API of Kreisfunk ({status}).", "Is the address right?"
            case status:
                problem, advice = f"An error of Kreisfunk ({status}).", "Try again; if it stays, tell the operator."
        return NoticesApiError(problem, advice)


async def _read_content(answer: "ClientResponse") -> bytes:
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > MAX_RESPONSE_BYTES:
            raise NoticesApiError(f"{answer.url.host} answers more than the notices API does.", "Is the address right?")
    return bytes(content)


@asynccontextmanager
async def open_notices_api(url: str, token: SecretStr) -> AsyncIterator[NoticesApiClient]:
    """Open a client; this sends no request yet."""
    from aiohttp import ClientSession, ClientTimeout

    async with ClientSession(timeout=ClientTimeout(total=REQUEST_TIMEOUT_SECONDS), raise_for_status=False) as session:
        yield NoticesApiClient(url=url, token=token, session=session)


def build_request(body: bytes, path: str) -> ApiRequest:
    """Return the request for an event; the same event gives the same request, so it may be repeated."""
    event: dict[str, Any] = msgspec.json.decode(body)
    if event.get("source") or not _is_plain_possible(event):
        return ApiRequest(path=path, method="POST", body=body, headers={"Content-Type": CONTENT_TYPE})
    headers = {"Content-Type": "application/json", "Idempotency-Key": event["id"]}
    return ApiRequest(path=path, method="POST", body=msgspec.json.encode(_build_plain(event)), headers=headers)


def _is_plain_possible(event: Mapping[str, Any]) -> bool:
    identifier = event.get("id")
    is_key = isinstance(identifier, str) and identifier.isascii() and identifier.isprintable()
    return is_key and event.get("type") in _ACTION_OF and isinstance(event.get("data"), dict)


def _build_plain(event: Mapping[str, Any]) -> dict[str, Any]:
    envelope = {"action": _ACTION_OF[event["type"]], "notice": event.get("subject")}
    expiry = {"expires_at": event["expirytime"]} if "expirytime" in event else {}
    return {**event["data"], **envelope, **expiry}


def read_attribute(body: bytes, name: str) -> str:
    """Return an attribute of an event, which may be incomplete; empty if it has none."""
    event: dict[str, Any] = msgspec.json.decode(body)
    value = event.get(name)
    return value if isinstance(value, str) else ""
