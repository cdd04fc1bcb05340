"""The limit: an aiohttp loop that only sends. `python -m benchmarks.dispatch.bare URL CONNECTIONS`."""

import asyncio
import sys
from itertools import cycle

import aiohttp
import uvloop

from benchmarks.dispatch.message import HEADERS, build_request_body

MESSAGES = 10_000


async def send_all(url: str, connections: int) -> None:
    """Send until killed, with `connections` requests at a time."""
    bodies = cycle([build_request_body(number).encode() for number in range(MESSAGES)])
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def send() -> None:
            while True:
                async with session.post(url, data=next(bodies)) as response:
                    await response.read()

        await asyncio.gather(*(send() for _ in range(connections)))


if __name__ == "__main__":
    uvloop.run(send_all(sys.argv[1], int(sys.argv[2])))
