"""Nothing about a citizen, and no secret, in anything that the process writes or counts."""

from pathlib import Path

from tests.factories.webhooks import (
    PHONE,
    USER,
    build_messages_body,
    build_status,
    build_statuses_body,
    build_text_message,
    build_value,
    build_webhook,
    sign,
)
from tests.harness.ingress import SECRET_TEXTS, run_ingress
from tests.harness.ingress_queues import IngressQueues
from tests.integration.ingress.broker_proxy import open_broker_proxy

TEXT = "Bitte rufen Sie mich zurück"
PERSONAL = (PHONE, USER, "wamid.", "Bitte rufen", "delivery-")


async def test_all_kinds_of_webhooks_leave_no_trace_of_anybody(
    broker_url: str, queues: IngressQueues, tmp_path: Path
) -> None:
    good = build_messages_body(build_text_message(1, TEXT, from_user_id=USER))
    bad = build_messages_body({**build_text_message(2), "text": {"body": [TEXT]}}, {"id": USER, "from": {PHONE: TEXT}})
    unknown = build_webhook(build_value(messages=[build_text_message(3, TEXT)]), field=f"history{PHONE}")

    async with open_broker_proxy(broker_url) as (proxy, url), run_ingress(url, tmp_path / "log") as ingress:
        for body in (good, bad, unknown, build_statuses_body(build_status(1)), good[:-9]):
            assert await ingress.post(body) == 200
        assert await ingress.post_with(good, {"X-Hub-Signature-256": sign(bad)}) == 401
        proxy.pause()
        assert await ingress.post(good) == 503
        proxy.cut()
        metrics = await ingress.fetch_metrics()

    written = ingress.log
    assert "group_not_stored" in written
    assert not [trace for trace in (*PERSONAL, *SECRET_TEXTS) if trace in written + metrics]
