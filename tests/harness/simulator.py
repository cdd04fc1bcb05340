"""A running simulator with a business behind it, and actions of tests on both."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from deploy.paths import CONFIG
from simulator.settings import Settings
from simulator.wiring import run_simulator
from tests.harness.fake_business import APP_SECRET, VERIFY_TOKEN, FakeBusiness, run_business
from tests.servers import WAIT_TIMEOUT_SECONDS, fetch_until

TEMPLATES = CONFIG / "templates.json"
GRAPH_TOKEN = "token-of-the-graph-api"
CONTROL_TOKEN = "token-of-the-control-api"
PHONE_NUMBER_ID = "700800900100200"
WABA_ID = "100200300400500"
OWN_NUMBER = "4947919300"
VALUES: dict[str, Any] = {
    "app_secret": APP_SECRET,
    "verify_token": VERIFY_TOKEN,
    "graph_token": GRAPH_TOKEN,
    "control_token": CONTROL_TOKEN,
    "phone_number_id": PHONE_NUMBER_ID,
    "waba_id": WABA_ID,
    "display_phone_number": OWN_NUMBER,
    "templates_file": TEMPLATES,
    "listen_port": 0,
    "drain_seconds": 5,
}

Answer = tuple[int, Any]


@dataclass(kw_only=True)
class SimulatorHarness:
    """Client of both APIs of the simulator; calls return status and body."""

    url: str
    business: FakeBusiness
    session: aiohttp.ClientSession
    stopping: asyncio.Event

    async def call(self, method: str, path: str, token: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def call_control(self, method: str, path: str, body: Any = None) -> Any:
        """Send a control request that has to succeed."""
        status, answer = await self.call(method, f"/simulator/{path}", CONTROL_TOKEN, body)
        assert status < 300, answer
        return answer

    async def call_graph(self, path: str) -> Answer:
        return await self.call("GET", f"/v26.0/{path}", GRAPH_TOKEN)

    async def post(self, body: Any, token: str = GRAPH_TOKEN, number: str = PHONE_NUMBER_ID) -> Answer:
        return await self.call("POST", f"/v26.0/{number}/messages", token, body)

    async def send(self, phone: str, /, **changes: Any) -> Answer:
        """Send a text message, with `changes` applied to its body."""
        body = {"messaging_product": "whatsapp", "to": f"+{phone}", "type": "text", "text": {"body": "Hallo"}}
        return await self.post(body | changes)

    async def add(self, count: int = 1, **sharing: int) -> list[dict[str, Any]]:
        answer = await self.call_control("POST", "citizens", {"count": count, **sharing})
        citizens: list[dict[str, Any]] = answer["citizens"]
        return citizens

    async def write(self, citizen: dict[str, Any], **act: Any) -> str:
        answer = await self.call_control("POST", f"citizens/{citizen['id']}/messages", act)
        return str(answer["id"])

    async def add_writer(self, **sharing: int) -> dict[str, Any]:
        """Add a citizen who has written, so that the 24-hour window is open."""
        (citizen,) = await self.add(1, **sharing)
        await self.write(citizen, text="Start")
        return citizen

    async def fetch_account(self) -> dict[str, Any]:
        account: dict[str, Any] = await self.call_control("GET", "account")
        return account

    async def wait_until_settled(self) -> dict[str, Any]:
        """Return the account once the business has received everything."""
        return await fetch_until(self.fetch_account, lambda account: not account["webhooks"]["pending"])

    async def wait_for_attempts(self, count: int) -> dict[str, Any]:
        """Return the account once `count` requests have reached the messages endpoint."""
        return await fetch_until(self.fetch_account, lambda account: account["attempted"] >= count)

    async def wait_for_last_message(self, citizen: dict[str, Any]) -> dict[str, Any]:
        """Return the newest webhook message once it has arrived."""
        await self.business.wait_until(lambda: bool(self.business.messages))
        await self.wait_until_settled()
        return self.business.messages[-1]


@asynccontextmanager
async def run_simulator_harness(**changes: Any) -> AsyncIterator[SimulatorHarness]:
    async with run_business() as business:
        settings = Settings(**(VALUES | {"webhook_url": business.url} | changes))
        stopping = asyncio.Event()
        async with (
            run_simulator(settings, stopping) as url,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_TIMEOUT_SECONDS)) as session,
        ):
            yield SimulatorHarness(url=url, business=business, session=session, stopping=stopping)


def build_process_environment(webhook_url: str) -> dict[str, str]:
    values = VALUES | {"webhook_url": webhook_url}
    return {f"SIMULATOR_{name.upper()}": str(value) for name, value in values.items()}


@asynccontextmanager
async def start_simulator(environment: Mapping[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command as a process, which is killed if a test leaves it alive."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIMULATOR_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator",
        *arguments,
        env={**inherited, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def read_address(process: asyncio.subprocess.Process) -> str:
    """Return the address, once the process says that it listens."""
    assert process.stderr is not None
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        line = (await process.stderr.readline()).decode()
    found = re.search(r"listening on (http://\S+);", line)
    assert found, line
    return found[1]


def build_template(name: str = "kreisfunk_baustellen_v1", *, payload: str = "stop", **values: str) -> dict[str, Any]:
    """Return the part of a request that sends one of the deployed templates."""
    values = {"headline": "L 149", "text": "Gesperrt bis 18 Uhr."} | values
    parameters = [{"type": "text", "parameter_name": name, "text": text} for name, text in values.items()]
    button = {"type": "button", "sub_type": "quick_reply", "index": "0"}
    press = {**button, "parameters": [{"type": "payload", "payload": payload}]}
    return {
        "type": "template",
        "template": {
            "name": name,
            "language": {"code": "de"},
            "components": [{"type": "body", "parameters": parameters}, press],
        },
    }
