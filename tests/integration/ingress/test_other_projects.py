"""What other projects take for webhooks of Meta's, signed, through the public port: every text is heard."""

import json
from collections.abc import Callable, Sequence

import pytest

from shared.contracts.inbound import DeliveryStatuses, InboundMessages, WebhookQuarantined
from tests.factories.webhooks import Json
from tests.harness.ingress import IngressProcess
from tests.harness.ingress_queues import IngressQueues
from tests.integration.ingress.webhook_shapes import SHAPES, WebhookShape, build_text, build_value

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def escaped(webhook: Json) -> bytes:
    """As Meta does: ASCII only, slashes escaped as well."""
    return json.dumps(webhook, separators=(",", ":")).replace("/", "\\/").encode()


def spaced(webhook: Json) -> bytes:
    """As a provider in between may do."""
    return json.dumps(webhook, indent=4, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def enclosed(*values: Json) -> Json:
    """An entry for each, its field after its value."""
    entries = [{"id": "115653644479", "changes": [{"value": each, "field": "messages"}]} for each in values]
    return {"object": "whatsapp_business_account", "entry": entries}


async def assert_heard(queues: IngressQueues, shapes: Sequence[WebhookShape]) -> None:
    groups, statuses = await queues.take(InboundMessages), await queues.take(DeliveryStatuses)
    heard = [message.text for group in groups for message in group.messages]
    assert heard == [text for shape in shapes for text in shape.heard]
    assert sum(len(group.statuses) for group in statuses) == sum(shape.statuses for shape in shapes)
    assert await queues.take(WebhookQuarantined) == []


@pytest.mark.parametrize("write", [escaped, spaced])
@pytest.mark.parametrize("name", SHAPES)
async def test_each_is_heard(
    ingress: IngressProcess, queues: IngressQueues, name: str, write: Callable[[Json], bytes]
) -> None:
    assert await ingress.post(write(enclosed(SHAPES[name].value))) == 200
    await assert_heard(queues, [SHAPES[name]])


@pytest.mark.parametrize("write", [escaped, spaced])
async def test_all_in_one_webhook_are_heard(
    ingress: IngressProcess, queues: IngressQueues, write: Callable[[Json], bytes]
) -> None:
    shapes = list(SHAPES.values()) * 20
    assert await ingress.post(write(enclosed(*(shape.value for shape in shapes)))) == 200
    await assert_heard(queues, shapes)


@pytest.mark.parametrize(
    "body",
    [
        escaped({**enclosed(), "entry": [{"changes": [{"value": build_value(build_text("Stop"))}]}]}),
        escaped(enclosed(build_value({**build_text("Stop"), "from": "5678"}, contact={"wa_id": "5678"}))),
        escaped({**enclosed(build_value(build_text("Stop"))), "object": "page"}),
        BYTE_ORDER_MARK + escaped(enclosed(build_value(build_text("Stop")))),
    ],
    ids=["without its field", "from four digits", "of a page", "with a byte order mark"],
)
async def test_what_meta_never_sends_is_kept_and_not_refused(
    ingress: IngressProcess, queues: IngressQueues, body: bytes
) -> None:
    assert await ingress.post(body) == 200
    assert await queues.take(InboundMessages) == []
    assert len(await queues.take(WebhookQuarantined)) == 1
