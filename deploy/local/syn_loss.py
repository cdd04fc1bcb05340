"""Accepting connections, with SYNs lost on request: connecting then takes seconds, as on a congested network."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

BACKLOG = 200
ACCEPT_SECONDS = 1.0

Take = Callable[[socket.socket], Awaitable[None]]


async def accept_all(listener: socket.socket, take: Take) -> None:
    """Pass every connection to `take`, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        connection, _ = await loop.sock_accept(listener)
        await take(connection)


async def accept_between_losses(
    listener: socket.socket, take: Take, seconds: float, before_each: Callable[[], None]
) -> None:
    """Drop every SYN for `seconds`, accept for one second, and repeat, until cancelled."""
    while True:
        before_each()
        await _drop_syns(listener, seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(ACCEPT_SECONDS):
                await accept_all(listener, take)


async def _drop_syns(listener: socket.socket, seconds: float) -> None:
    """Make the kernel drop SYNs: shorten its accept queue to one connection, and fill it with one of ours.

    A connection that the kernel completes but nobody reads from would look open to its client, whose data would arrive
    seconds later. A lost SYN keeps the client waiting for the connection.
    """
    loop = asyncio.get_running_loop()
    listener.listen(0)
    try:
        with suppress(TimeoutError), socket.socket() as plug:
            plug.setblocking(False)
            async with asyncio.timeout(seconds):
                await loop.sock_connect(plug, listener.getsockname())
                await asyncio.sleep(seconds)
    finally:
        listener.listen(BACKLOG)
