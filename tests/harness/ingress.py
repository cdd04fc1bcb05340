"""The ingress as a process, on its own ports."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child
from tests.factories.webhooks import NUMBER_ID, SECRET, sign
from tests.harness.processes import ServiceProcess, build_service_command, is_ok, run_child
from tests.servers import WAIT_TIMEOUT_SECONDS

OLD_SECRET = "fedcba9876543210fedcba9876543210"
VERIFY_TOKEN = "token-of-the-handshake"
ENCRYPTION_KEY = base64.b64encode(bytes(range(32))).decode()
INDEX_KEY = base64.b64encode(bytes(range(32, 64))).decode()
SECRET_TEXTS = (SECRET, OLD_SECRET, VERIFY_TOKEN, ENCRYPTION_KEY, INDEX_KEY)


@dataclass(frozen=True, kw_only=True)
class IngressProcess(ServiceProcess):
    url: str
    session: ClientSession

    async def post(self, body: bytes, *, secret: str = SECRET) -> int:
        return await self.post_with(body, {"X-Hub-Signature-256": sign(body, secret)})

    async def post_with(self, body: bytes, headers: Mapping[str, str]) -> int:
        async with self.session.post(f"{self.url}/webhook", data=BytesIO(body), headers=dict(headers)) as response:
            await response.read()
            return response.status

    async def is_alive(self) -> bool:
        return await is_ok(self.session, f"{self.internal_url}/livez")


def build_environment(broker_url: str, port: int, internal_port: int) -> dict[str, str]:
    return {
        "KREISFUNK_BROKER_URL": broker_url,
        "KREISFUNK_LISTEN_HOST": LOOPBACK,
        "KREISFUNK_LISTEN_PORT": str(port),
        "KREISFUNK_INTERNAL_PORT": str(internal_port),
        "KREISFUNK_APP_SECRETS": f"{SECRET},{OLD_SECRET}",
        "KREISFUNK_VERIFY_TOKEN": VERIFY_TOKEN,
        "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
        "KREISFUNK_ENCRYPTION_KEYS": f"1:{ENCRYPTION_KEY}",
        "KREISFUNK_INDEX_KEY": INDEX_KEY,
    }


@asynccontextmanager
async def run_ingress(broker_url: str, log: Path, *, ready: bool = True) -> AsyncIterator[IngressProcess]:
    """Run the ingress; yield it once it is ready, or only alive without `ready`, for an unavailable broker."""
    with reserve_ports(2) as (port, internal_port):
        command = build_service_command("ingress", log, build_environment(broker_url, port, internal_port))
        async with ClientSession(timeout=ClientTimeout(total=WAIT_TIMEOUT_SECONDS)) as session:
            ingress = IngressProcess(
                url=f"http://{LOOPBACK}:{port}",
                internal_url=f"http://{LOOPBACK}:{internal_port}",
                session=session,
                child=Child(command),
            )
            async with run_child(ingress.child, ingress.is_ready if ready else ingress.is_alive):
                yield ingress
