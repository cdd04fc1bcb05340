"""Confirms that come late, connections that break, and the end of the process in the middle of it."""

import asyncio
from pathlib import Path

from shared.contracts.inbound import DeliveryStatuses
from tests.factories.webhooks import build_status, build_statuses_body
from tests.harness.ingress import IngressProcess, run_ingress
from tests.harness.ingress_queues import IngressQueues
from tests.integration.ingress.answers import is_accepted, measure_refusal
from tests.integration.ingress.broker_proxy import open_broker_proxy
from tests.servers import wait_for


async def deliveries(queues: IngressQueues) -> set[str | None]:
    return {event.delivery for group in await queues.take(DeliveryStatuses) for event in group.statuses}


async def test_a_broker_that_does_not_confirm_is_answered_with_503_in_time(
    broker_url: str, queues: IngressQueues, tmp_path: Path
) -> None:
    async with open_broker_proxy(broker_url) as (proxy, url), run_ingress(url, tmp_path / "log") as ingress:
        proxy.pause()
        refusals = await asyncio.gather(*(measure_refusal(ingress) for _ in range(20)))
        proxy.flows.set()

        assert set(refusals) == {(503, "1", True)}
        await wait_for(lambda: is_accepted(ingress))
        assert "delivery-2" in await deliveries(queues)


async def test_every_webhook_answered_200_is_stored_though_connections_break(
    broker_url: str, queues: IngressQueues, tmp_path: Path
) -> None:
    async with open_broker_proxy(broker_url) as (proxy, url), run_ingress(url, tmp_path / "log") as ingress:
        answers: dict[str, int] = {}

        async def send(number: int) -> None:
            answers[f"delivery-{number}"] = await ingress.post(build_statuses_body(build_status(number)))

        for first in range(0, 300, 100):
            proxy.pause()
            sending = [asyncio.create_task(send(number)) for number in range(first, first + 100)]
            await proxy.data_waiting.wait()
            proxy.cut()
            proxy.flows.set()
            await asyncio.gather(*sending)
        await wait_for(lambda: is_accepted(ingress))

        answered = {delivery for delivery, answer in answers.items() if answer == 200}
        assert set(answers.values()) <= {200, 503}
        assert answered <= await deliveries(queues)


async def test_a_signal_lets_the_webhook_in_flight_finish(
    broker_url: str, queues: IngressQueues, tmp_path: Path
) -> None:
    async with open_broker_proxy(broker_url) as (proxy, url), run_ingress(url, tmp_path / "log") as ingress:
        proxy.pause()
        in_flight = asyncio.create_task(ingress.post(build_statuses_body(build_status(5))))
        await proxy.data_waiting.wait()

        stopping = asyncio.create_task(ingress.child.stop())
        await wait_for(lambda: is_draining(ingress))
        proxy.flows.set()

        assert await in_flight == 200
        await stopping
        assert await ingress.child.wait() == 0
        assert await deliveries(queues) == {"delivery-5"}


async def is_draining(ingress: IngressProcess) -> bool:
    async with ingress.session.get(f"{ingress.internal_url}/readyz") as response:
        return "draining" in await response.text()
