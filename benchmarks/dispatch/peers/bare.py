"""The limit: an aiohttp loop that only sends, from memory."""

import asyncio
from itertools import cycle

import aiohttp
import uvloop

from benchmarks.dispatch.peers.common import ENDPOINT_URL, HEADERS, IN_FLIGHT, build_request_body

MESSAGES = 10_000


async def send_all() -> None:
    """Send until killed."""
    bodies = cycle([build_request_body(number).encode() for number in range(MESSAGES)])
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def send() -> None:
            while True:
                async with session.post(ENDPOINT_URL, data=next(bodies)) as response:
                    await response.read()

        await asyncio.gather(*(send() for _ in range(IN_FLIGHT)))


if __name__ == "__main__":
    uvloop.run(send_all())
