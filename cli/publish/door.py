"""A client of notices over HTTP: repeats what the door asks to repeat, and says what to do about the rest."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MOST_BYTES = 1_000_000
REQUEST_SECONDS = 30.0
USUAL_PAUSE = 1.0
TOO_MANY, AWAY = 429, 503

_REFUSED = (
    "It may be wrong, expired or withdrawn. Ask the operator for a new one (`kreisfunk tokens create`) and put it "
    "into KREISFUNK_DOOR_TOKEN, or into a file kreisfunk_door_token in KREISFUNK_SECRETS_DIR."
)


class DoorFailed(Exception):
    """Nothing was published, as far as we know; `advice` says what to do."""

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.advice = advice


class Unreachable(DoorFailed):
    """Nobody listens there, or not now."""


class Unwatched(Exception):
    """The event is stored, but what becomes of it cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent to a path of the door."""

    path: str
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back; status 0 if nothing did."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether the same request may be answered otherwise later."""
        return self.status in (0, TOO_MANY, AWAY)

    @property
    def pause(self) -> float:
        """Seconds until then."""
        text = self.headers.get("Retry-After", "")
        return max(USUAL_PAUSE, float(text)) if text.isdecimal() else USUAL_PAUSE


@dataclass(frozen=True, kw_only=True)
class Door:
    """One address and one token, which is shown to no other address: redirects are not followed."""

    url: str
    token: SecretStr
    session: "ClientSession" = field(repr=False)

    async def ask(self, request: Request, *, seconds: float) -> Reply:
        """Its answer; while it is busy or away, asked again for up to `seconds`. Raises DoorFailed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            reply = await self._once(request)
            if not reply.passes:
                return reply
            if loop.time() + reply.pause > until:
                raise self.failed(reply)
            await asyncio.sleep(reply.pause)

    async def _once(self, request: Request) -> Reply:
        # Here, since whoever publishes over AMQP does without.
        from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientError

        headers = {"Authorization": f"Bearer {self.token.get_secret_value()}", **request.headers}
        try:
            async with self.session.request(
                request.method, self.url + request.path, headers=headers, data=request.body, allow_redirects=False
            ) as answer:
                return Reply(status=answer.status, content=await _content(answer), headers=answer.headers)
        except ClientConnectorCertificateError:
            raise DoorFailed(f"{self.url}: its certificate is not trusted.", "Is this the right address?") from None
        except ClientConnectorError:
            raise DoorFailed(
                f"{self.url} cannot be reached.", "Is the address right, and does Kreisfunk run?"
            ) from None
        except (ClientError, TimeoutError):
            return Reply(status=0)

    def failed(self, reply: Reply) -> DoorFailed:
        """For what ends it, in words for the person at the terminal."""
        match reply.status:
            case 0:
                return DoorFailed(
                    f"{self.url} gave no answer.",
                    "Nobody knows whether it has the notice. See whether it went out before you publish it again.",
                )
            case 401:
                return DoorFailed(f"{self.url} refuses this token.", _REFUSED)
            case 429:
                return DoorFailed(
                    "Too many requests with this token.",
                    f"Nothing was published. Try again in {reply.pause:.0f} s, or wait longer with --timeout.",
                )
            case 503:
                return DoorFailed(
                    "Kreisfunk cannot take notices just now.",
                    f"Nothing was published. Try again in {reply.pause:.0f} s, or wait longer with --timeout.",
                )
            case status if 300 <= status < 400:
                return DoorFailed(f"{self.url} leads elsewhere.", "Give the address where the door itself is.")
            case status if status < 500:
                return DoorFailed(f"{self.url} is no door of Kreisfunk ({status}).", "Is the address right?")
            case status:
                return DoorFailed(f"An error of Kreisfunk ({status}).", "Try again; if it stays, tell the operator.")


async def _content(answer: "ClientResponse") -> bytes:
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > MOST_BYTES:
            raise DoorFailed(f"{answer.url.host} answers more than a door does.", "Is the address right?")
    return bytes(content)


@asynccontextmanager
async def open_door(url: str, token: SecretStr) -> AsyncIterator[Door]:
    """Nothing is asked yet."""
    from aiohttp import ClientSession, ClientTimeout

    async with ClientSession(timeout=ClientTimeout(total=REQUEST_SECONDS), raise_for_status=False) as session:
        yield Door(url=url, token=token, session=session)
