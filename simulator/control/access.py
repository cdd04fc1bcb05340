"""Authentication, body parsing and errors of the control API."""

import hmac
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")


class ControlError(Exception):
    """A control request that cannot be fulfilled; becomes its HTTP response."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def require_token(token: str, handler: Handler) -> Handler:
    """Wrap a handler so that it requires the bearer token, compared in constant time."""
    expected = f"Bearer {token}".encode()

    async def guarded(request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, expected):
            return answer({"error": "the control token is missing or wrong"}, status=401)
        try:
            return await handler(request)
        except ControlError as error:
            return answer({"error": str(error)}, status=error.status)

    return guarded


async def read_body(request: web.Request, kind: type[T]) -> T:
    """Decode the body as `kind`; raise ControlError 400 if it does not fit."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise ControlError(400, str(error)) from error


def parse_number(request: web.Request, name: str, default: int, most: int) -> int:
    """Parse a whole number from 0 to `most` in the query; raise ControlError 400 for anything else."""
    given = request.query.get(name)
    if given is None:
        return default
    if not given.isascii() or not given.isdigit() or len(given) > 12 or int(given) > most:
        raise ControlError(400, f"{name} must be a number from 0 to {most}")
    return int(given)


def answer(value: object, *, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
