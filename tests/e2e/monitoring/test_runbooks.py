"""Runbooks tried: a fault is produced, its alert fires, the fault is mended, and the alert ends.

What an alert does with time is tested with promtool.
"""

import re
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from deploy.secrets import NOTICES_API_TOKEN
from tests.e2e.dialogue.webhooks import post_webhook
from tests.e2e.monitoring.hurried_watch import ALERT_NAMES, HurriedWatch, run_hurried_watch
from tests.e2e.monitoring.monitored_system import MonitoredSystem, build_press_feed, list_targets
from tests.e2e.monitoring.night_operator import NightOperator
from tests.servers import connect_to_database, wait_for

pytestmark = pytest.mark.timeout(600)

TOKEN_EXPIRED = {"reject_share": 1, "reject_code": 190, "reject_status": 401}
NO_WEBHOOK = b'{"object": "whatsapp_business_account", "entry": "none"}'


@pytest.fixture
async def watch(system: MonitoredSystem) -> HurriedWatch:
    """While nothing fires."""
    await system.watch.wait_for_end(*ALERT_NAMES)
    return system.watch


async def test_a_dispatcher_ends(system: MonitoredSystem, watch: HurriedWatch) -> None:
    """ProcessUnavailable, DispatcherMissing."""
    async with system.stop("dispatcher-1"):
        await watch.wait_for("ProcessUnavailable", "DispatcherMissing")
        assert "ServiceUnavailable" not in await watch.list_firing()
    await watch.wait_for_end("ProcessUnavailable", "DispatcherMissing")


async def test_the_notices_api_is_away_and_sending_is_paused(system: MonitoredSystem, watch: HurriedWatch) -> None:
    """ServiceUnavailable, NewsroomOutboxWaits, SendingPaused, LaneDelayed."""
    path = await system.editors.approve(text=f"Bald, {uuid4().hex[:8]}.")
    try:
        async with system.stop("notices-1"):
            await system.run_kreisfunk("sending", "pause", "--reason", "ein Versuch")
            assert (await system.editors.ben.send(path, "veroeffentlichen", 2)).status == 303
            await system.let_somebody_write("Hilfe")
            await watch.wait_for("ServiceUnavailable", "SendingPaused", "NewsroomOutboxWaits", "LaneDelayed")
    finally:
        await system.run_kreisfunk("sending", "resume")
    await watch.wait_for_end("ServiceUnavailable", "SendingPaused", "NewsroomOutboxWaits", "LaneDelayed")
    await system.editors.wait_for_text(await system.editors.follow(path), "abgeschlossen")


async def test_meta_refuses_the_token(system: MonitoredSystem, watch: HurriedWatch) -> None:
    """SenderStopped, SendingPaused."""
    async with system.set_faults(TOKEN_EXPIRED):
        await system.let_somebody_write("Hilfe")
        await watch.wait_for("SenderStopped", "SendingPaused")
    await watch.wait_for_end("SenderStopped", "SendingPaused")


async def test_the_broker_stops(system: MonitoredSystem, watch: HurriedWatch) -> None:
    """BrokerUnavailable, WebhooksRefused."""
    async with system.stop("rabbitmq"):
        await system.let_somebody_write("Hilfe")
        await watch.wait_for("BrokerUnavailable", "WebhooksRefused")
    await watch.wait_for_end("BrokerUnavailable", "WebhooksRefused")


async def test_the_database_stops(system: MonitoredSystem, watch: HurriedWatch) -> None:
    """DatabaseUnavailable."""
    async with system.stop("postgres"):
        await watch.wait_for("DatabaseUnavailable")

        async def every_service_says_so() -> bool:
            services = await system.prometheus.query('min by (job) (kreisfunk_ready{check="database"}) == 0')
            return {each["metric"]["job"] for each in services} == {"dispatcher", "newsroom", "subscriptions"}

        await wait_for(every_service_says_so)
    await watch.wait_for_end("DatabaseUnavailable")


async def test_the_connections_of_the_database_run_short(system: MonitoredSystem, watch: HurriedWatch) -> None:
    """DatabaseConnectionsShort."""
    async with AsyncExitStack() as strangers:
        with suppress(asyncpg.TooManyConnectionsError):
            for _ in range(165):
                await strangers.enter_async_context(connect_to_database(system.stack.database_url))
        await watch.wait_for("DatabaseConnectionsShort")
    await watch.wait_for_end("DatabaseConnectionsShort")


async def test_subscriptions_does_not_work_off_its_queue(system: MonitoredSystem, watch: HurriedWatch) -> None:
    """QueueNotWorkedOff."""
    async with system.stop("subscriptions-1"):
        await system.let_somebody_write("Hilfe")
        await watch.wait_for("QueueNotWorkedOff")
    await watch.wait_for_end("QueueNotWorkedOff")


async def test_webhooks_come_that_we_cannot_parse_and_others_that_are_not_metas(
    system: MonitoredSystem, watch: HurriedWatch
) -> None:
    """QuarantineNotEmpty, SignaturesRefused."""
    assert await post_webhook(system.stack, NO_WEBHOOK) == 200
    for _ in range(40):
        assert await post_webhook(system.stack, NO_WEBHOOK, secret=b"another secret") == 401
    await watch.wait_for("QuarantineNotEmpty", "SignaturesRefused")
    await system.run_kreisfunk("quarantine", "drop", "--all", "--yes")
    await watch.wait_for_end("QuarantineNotEmpty", "SignaturesRefused")


async def test_prometheus_does_not_read_the_queues(
    system: MonitoredSystem, watch: HurriedWatch, tmp_path: Path
) -> None:
    """MetricMissing, as another Prometheus sees it, without one of the jobs."""
    targets = {job: found for job, found in list_targets(system.stack).items() if job != "rabbitmq-queues"}
    async with run_hurried_watch(tmp_path / "prometheus", targets) as blind:
        await blind.wait_for("MetricMissing")
        found = await blind.prometheus.query('ALERTS{alertname="MetricMissing"}')
        assert [each["metric"]["metric"] for each in found] == ["rabbitmq_detailed_queue_messages"]
    assert "kreisfunk_dispatcher_rate_limit" in await NightOperator(system).look("MetricMissing")
    assert "MetricMissing" not in await watch.list_firing()


async def test_feeds_end(system: MonitoredSystem, watch: HurriedWatch) -> None:
    """FeedsMissing."""
    await system.feeds.stop()
    try:
        await watch.wait_for("FeedsMissing")
    finally:
        await system.feeds.start()
    await watch.wait_for_end("FeedsMissing")


async def test_feeds_have_the_token_of_another_system(system: MonitoredSystem, watch: HurriedWatch) -> None:
    """FeedRejected."""
    operator, token = NightOperator(system), (system.stack.folder / "secrets" / NOTICES_API_TOKEN).read_text().strip()
    system.website.pages["/presse"] = build_press_feed("Vom Landkreis", "Abgelehnt")
    async with system.run_feeds_with(KREISFUNK_NOTICES_API_TOKEN=token):
        await watch.wait_for("FeedRejected")
    seen = await operator.look("FeedRejected")
    [name] = re.findall(r"^(presse-\S+) +refused +Abgelehnt +source: ", seen, re.MULTILINE)
    assert f"accepted: {name}" in await operator.do("FeedRejected", 4, NAME=name)
    await watch.wait_for_end("FeedRejected")
