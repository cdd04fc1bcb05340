"""taskiq with one aiohttp session."""

import asyncio

import aiohttp
from taskiq import TaskiqEvents, TaskiqState  # type: ignore[import-not-found]
from taskiq_aio_pika import AioPikaBroker  # type: ignore[import-not-found]

from benchmarks.dispatch.peers.common import BROKER_URL, ENDPOINT_URL, HEADERS, IN_FLIGHT, build_bodies

broker = AioPikaBroker(BROKER_URL, qos=2 * IN_FLIGHT)


async def open_session(state: TaskiqState) -> None:
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    state.session = aiohttp.ClientSession(headers=HEADERS, connector=connector)


async def close_session(state: TaskiqState) -> None:
    await state.session.close()


async def send(body: str) -> None:
    async with broker.state.session.post(ENDPOINT_URL, data=body.encode()) as response:
        response.raise_for_status()
        await response.read()


broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, open_session)
broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, close_session)
task = broker.register_task(send, task_name="send")


async def fill() -> None:
    await broker.startup()
    for body in build_bodies():
        await task.kiq(body)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(fill())
