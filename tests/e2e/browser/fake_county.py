"""A simulator as a process of its own, and the county that answers the citizens who use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.harness.fake_business import FakeBusiness, run_business
from tests.harness.simulator import (
    CONTROL_TOKEN,
    GRAPH_TOKEN,
    PHONE_NUMBER_ID,
    build_process_environment,
    build_template,
    read_address,
    start_simulator,
)
from tests.servers import WAIT_TIMEOUT_SECONDS


@dataclass(frozen=True, kw_only=True)
class FakeCounty:
    """`business` records what citizens do; `send` answers them through the Graph API."""

    url: str
    business: FakeBusiness
    session: aiohttp.ClientSession

    @property
    def phones_url(self) -> str:
        return f"{self.url}/#{CONTROL_TOKEN}"

    async def wait_for_message(self, number: int) -> dict[str, Any]:
        """Message number `number` of all citizens, once it has arrived."""
        await self.business.wait_until(lambda: len(self.business.messages) >= number)
        message: dict[str, Any] = self.business.messages[number - 1]
        return message

    async def send(self, message: dict[str, Any], text: str) -> None:
        """A road closure to whoever wrote this message."""
        await self.answer(
            message, build_template("kreisfunk_strassensperrungen_v1", headline="Vollsperrung L 149", text=text)
        )

    async def answer(self, message: dict[str, Any], content: dict[str, Any]) -> None:
        """Anything to whoever wrote this message."""
        body = {"messaging_product": "whatsapp", "to": f"+{message['from']}", **content}
        await self._post(f"v26.0/{PHONE_NUMBER_ID}/messages", body, GRAPH_TOKEN)

    async def add_phones(self, count: int) -> None:
        """As somebody else would, not on this page."""
        await self._post("simulator/citizens", {"count": count}, CONTROL_TOKEN)

    async def _post(self, path: str, body: dict[str, Any], token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.post(f"{self.url}/{path}", json=body, headers=headers) as answer:
            assert answer.status < 300, await answer.text()


@asynccontextmanager
async def run_county() -> AsyncIterator[FakeCounty]:
    async with (
        run_business() as business,
        start_simulator(build_process_environment(business.url)) as process,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_TIMEOUT_SECONDS)) as session,
    ):
        yield FakeCounty(url=await read_address(process), business=business, session=session)
