"""Answers of the ingress while the broker is in trouble."""

import time

from tests.factories.webhooks import build_status, build_statuses_body, sign
from tests.harness.ingress import IngressProcess

ANSWER_TIMEOUT_SECONDS = 3.0


async def measure_refusal(ingress: IngressProcess) -> tuple[int, str | None, bool]:
    """Return status and Retry-After of a webhook, and whether they came in time."""
    body = build_statuses_body(build_status(1))
    started = time.monotonic()
    headers = {"X-Hub-Signature-256": sign(body)}
    async with ingress.session.post(f"{ingress.url}/webhook", data=body, headers=headers) as response:
        in_time = time.monotonic() - started < ANSWER_TIMEOUT_SECONDS
        return response.status, response.headers.get("Retry-After"), in_time


async def is_accepted(ingress: IngressProcess) -> bool:
    return await ingress.post(build_statuses_body(build_status(2))) == 200
