"""Runbooks tried: a fault is produced, the alert becomes true, the page's steps are followed, and it ends.

Windows of minutes are shortened where the end would take as long; what an alert does with time is tested with promtool.
"""

from contextlib import AsyncExitStack, suppress
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from tests.e2e.monitoring.night_operator import NightOperator
from tests.e2e.monitoring.watched_town import ALERT_EXPRESSIONS, WatchedTown, list_targets
from tests.prometheus import run_prometheus
from tests.servers import wait_for

pytestmark = pytest.mark.timeout(600)

SHORT = "10s"
TOKEN_EXPIRED = {"reject_share": 1, "reject_code": 190, "reject_status": 401}
NO_WEBHOOK = b'{"object": "whatsapp_business_account", "entry": "none"}'


async def test_a_dispatcher_ends(town: WatchedTown) -> None:
    """ProcessUnavailable, DispatcherMissing."""
    async with town.stop("dispatcher-1"):
        await town.wait_until("ProcessUnavailable", "DispatcherMissing", true=True)
        assert not await town.is_true("ServiceUnavailable")
    await town.wait_until("ProcessUnavailable", "DispatcherMissing", true=False)


async def test_the_notices_api_is_away_and_sending_is_paused(town: WatchedTown) -> None:
    """ServiceUnavailable, NewsroomOutboxWaits, SendingPaused, LaneDelayed."""
    text = f"Bald, {uuid4().hex[:8]}."
    path = await town.press.approve(text=text)
    try:
        async with town.stop("notices-1"):
            await town.run_kreisfunk("sending", "pause", "--reason", "ein Versuch")
            assert (await town.press.ben.send(path, "veroeffentlichen", 2)).status == 303
            await town.let_somebody_write("Hilfe")
            await town.wait_until("ServiceUnavailable", "SendingPaused", true=True)
            await town.wait_until("NewsroomOutboxWaits", "LaneDelayed", true=True, seconds=180)
    finally:
        await town.run_kreisfunk("sending", "resume")
    await town.wait_until("ServiceUnavailable", "NewsroomOutboxWaits", "SendingPaused", "LaneDelayed", true=False)
    await town.press.wait_for_text(await town.press.follow(path), "abgeschlossen")


async def test_meta_refuses_the_token(town: WatchedTown) -> None:
    """SenderStopped, SendingPaused."""
    async with town.set_faults(TOKEN_EXPIRED):
        await town.let_somebody_write("Hilfe")
        await town.wait_until("SenderStopped", "SendingPaused", true=True)
    await town.try_meta_now()
    await town.wait_until("SenderStopped", "SendingPaused", true=False, within=SHORT)


async def test_the_broker_stops(town: WatchedTown) -> None:
    """BrokerUnavailable, WebhooksRefused."""
    async with town.stop("rabbitmq"):
        await town.let_somebody_write("Hilfe")
        await town.wait_until("BrokerUnavailable", true=True)
        await town.wait_until("WebhooksRefused", true=True, within=SHORT)
    await town.wait_until("BrokerUnavailable", true=False)
    await town.wait_until("WebhooksRefused", true=False, within=SHORT)


async def test_the_database_stops(town: WatchedTown) -> None:
    """DatabaseUnavailable."""
    async with town.stop("postgres"):
        await town.wait_until("DatabaseUnavailable", true=True)

        async def every_service_says_so() -> bool:
            services = await town.prometheus.query('min by (job) (kreisfunk_ready{check="database"}) == 0')
            return {each["metric"]["job"] for each in services} == {"dispatcher", "newsroom", "subscriptions"}

        await wait_for(every_service_says_so)
    await town.wait_until("DatabaseUnavailable", true=False)


async def test_the_connections_of_the_database_run_short(town: WatchedTown) -> None:
    """DatabaseConnectionsShort."""
    async with AsyncExitStack() as strangers:
        with suppress(asyncpg.TooManyConnectionsError):
            for _ in range(165):
                connection = await asyncpg.connect(town.stack.database_url)
                strangers.push_async_callback(connection.close)
        await town.wait_until("DatabaseConnectionsShort", true=True)
    await town.wait_until("DatabaseConnectionsShort", true=False)


async def test_subscriptions_does_not_work_off_its_queue(town: WatchedTown) -> None:
    """QueueNotWorkedOff."""
    async with town.stop("subscriptions-1"):
        await town.let_somebody_write("Hilfe")
        await town.wait_until("QueueNotWorkedOff", true=True, within=SHORT)
    await town.wait_until("QueueNotWorkedOff", true=False, within=SHORT)


async def test_meta_sends_what_we_cannot_parse(town: WatchedTown) -> None:
    """QuarantineNotEmpty."""
    assert await town.post_webhook(NO_WEBHOOK) == 200
    await town.wait_until("QuarantineNotEmpty", true=True)
    await town.run_kreisfunk("quarantine", "drop", "--all", "--yes")
    await town.wait_until("QuarantineNotEmpty", true=False)


async def test_somebody_who_is_not_meta_sends_webhooks(town: WatchedTown) -> None:
    """SignaturesRefused."""
    for _ in range(40):
        assert await town.post_webhook(NO_WEBHOOK, b"another secret") == 401
    await town.wait_until("SignaturesRefused", true=True, within="1m")
    await town.wait_until("SignaturesRefused", true=False, within=SHORT)


async def test_prometheus_does_not_read_the_queues(town: WatchedTown, tmp_path: Path) -> None:
    """MetricMissing, as another Prometheus sees it, without one of the jobs."""
    targets = {job: found for job, found in list_targets(town.stack).items() if job != "rabbitmq-queues"}
    async with run_prometheus(tmp_path / "prometheus", targets) as blind:

        async def is_missed() -> bool:
            found = await blind.query(ALERT_EXPRESSIONS["MetricMissing"])
            return [each["metric"]["metric"] for each in found] == ["rabbitmq_detailed_queue_messages"]

        await wait_for(is_missed)
    assert "kreisfunk_dispatcher_rate_limit" in await NightOperator(town).look("MetricMissing")
    await town.wait_until("MetricMissing", true=False)


async def test_feeds_end(town: WatchedTown) -> None:
    """FeedsMissing."""
    await town.feeds.stop()
    try:
        await town.wait_until("FeedsMissing", true=True)
    finally:
        await town.feeds.start()
    await town.wait_until("FeedsMissing", true=False)
