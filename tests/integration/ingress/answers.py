"""How the ingress answers while the broker is in trouble."""

import time

from tests.integration.ingress.process import Ingress
from tests.unit.ingress.webhooks import sign, status, statuses_body

WITHIN_SECONDS = 3.0


async def refusal(ingress: Ingress) -> tuple[int, str | None, bool]:
    """Status and Retry-After of a webhook, and whether they came in time."""
    body = statuses_body(status(1))
    started = time.monotonic()
    headers = {"X-Hub-Signature-256": sign(body)}
    async with ingress.session.post(f"{ingress.url}/webhook", data=body, headers=headers) as response:
        in_time = time.monotonic() - started < WITHIN_SECONDS
        return response.status, response.headers.get("Retry-After"), in_time


async def accepts(ingress: Ingress) -> bool:
    return await ingress.post(statuses_body(status(2))) == 200
