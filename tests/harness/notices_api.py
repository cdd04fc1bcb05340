"""The notices API as a process, and a client of it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import ClientSession, ClientTimeout

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child
from tests.contract_recorder.openapi_session import trace_contract
from tests.harness.notices_county import PRESS_SOURCE, TOKENS, text_of, write_county, write_tokens
from tests.harness.processes import ServiceProcess, build_service_command, is_ok, run_child
from tests.servers import WAIT_TIMEOUT_SECONDS

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PUBLISHED = "de.kreisfunk.notice.published.v1"
UPDATED = "de.kreisfunk.notice.updated.v1"
WITHDRAWN = "de.kreisfunk.notice.withdrawn.v1"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response; `body` is the parsed JSON."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def fields(self) -> list[str]:
        """The fields of a problem response, in order."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.body["status"] == self.status
        return [error["field"] for error in self.body.get("errors", [])]


@dataclass(frozen=True, kw_only=True)
class NoticesApi(ServiceProcess):
    """A running notices API; `tokens_file` may be rewritten."""

    url: str
    tokens_file: Path
    session: ClientSession = field(repr=False)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "press",  # noqa: S107 (the name of one)
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
    ) -> Answer:
        """Send a request; `token` is the name of one of ours, or the whole text."""
        login = {} if token is None else {"Authorization": f"Bearer {token if len(token) > 20 else text_of(token)}"}
        async with self.session.request(
            method, self.url + path, headers={**login, **(headers or {})}, data=body
        ) as response:
            return Answer(status=response.status, headers=response.headers, text=await response.text())

    async def post(self, content: object, media: str, *, path: str = "/notices", **more: Any) -> Answer:
        headers = {"Content-Type": media, **more.pop("headers", {})}
        return await self.ask("POST", path, headers=headers, body=json.dumps(content), **more)

    async def publish(self, content: Mapping[str, object], **more: Any) -> Answer:
        return await self.post(content, STRUCTURED, **more)

    async def write(self, content: object, *, key: str | None = None, **more: Any) -> Answer:
        """Post plain JSON, by default with a new key."""
        return await self.post(content, "application/json", headers={"Idempotency-Key": key or uuid4().hex}, **more)

    async def is_alive(self) -> bool:
        return await is_ok(self.session, f"{self.url}/openapi.json")


def soon(hours: float = 12) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def data(**changes: object) -> dict[str, object]:
    return {"topic": "strassensperrungen", "headline": "K 9 gesperrt", "text": "Bis Freitag.", **changes}


def event(*, data: object, **changes: object) -> dict[str, object]:
    """Return a structured event, valid apart from the changes; None omits an attribute."""
    content: dict[str, object] = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": PRESS_SOURCE,
        "type": PUBLISHED,
        "subject": f"sperrung-{uuid4().hex[:8]}",
        "expirytime": soon(),
        "datacontenttype": "application/json",
        "data": data,
        **changes,
    }
    return {name: value for name, value in content.items() if value is not None}


@asynccontextmanager
async def run_notices_api(
    broker_url: str, folder: Path, *, ready: bool = True, settings: Mapping[str, str] | None = None
) -> AsyncIterator[NoticesApi]:
    """Run the notices API; yield it once it is ready, or only alive without `ready`, for an unavailable broker."""
    tokens = folder / "tokens.json"
    write_tokens(tokens, *TOKENS)
    with reserve_ports(2) as (internal_port, notices_api_port):
        command = build_service_command(
            "ingress.notices",
            folder / "notices.log",
            {
                "KREISFUNK_BROKER_URL": broker_url,
                "KREISFUNK_INTERNAL_PORT": str(internal_port),
                "KREISFUNK_NOTICES_API_PORT": str(notices_api_port),
                "KREISFUNK_NOTICES_API_TOKENS_FILE": str(tokens),
                "KREISFUNK_NOTICES_API_REQUESTS_PER_MINUTE": "60000",
                "KREISFUNK_COUNTY_FILE": str(write_county(folder)),
                **(settings or {}),
            },
        )
        url = f"http://{LOOPBACK}:{notices_api_port}"
        async with ClientSession(
            timeout=ClientTimeout(total=WAIT_TIMEOUT_SECONDS), trace_configs=[trace_contract(url)]
        ) as session:
            api = NoticesApi(
                url=url,
                internal_url=f"http://{LOOPBACK}:{internal_port}",
                tokens_file=tokens,
                session=session,
                child=Child(command),
            )
            async with run_child(api.child, api.is_ready if ready else api.is_alive):
                yield api
