"""What the receiver answers, and what it counts, by what becomes of the events."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from services.ingress.adapters import outbox as outbox_module
from services.ingress.adapters.deadlines import Deadlines
from services.ingress.adapters.group_commit import GroupCommit
from services.ingress.adapters.metrics import KINDS, Metrics
from services.ingress.adapters.outbox import GROUP, GroupedOutbox, open_outbox
from services.ingress.domain.findings import Event
from services.ingress.domain.slices import Packed, Slice, pack
from services.ingress.handlers import Receiver
from services.ingress.ports import NotStored, Outbox, Result
from shared.contracts.inbound import DeliveryStatus, InboundMessage, WebhookQuarantined
from shared.runtime.background import background
from tests.unit.ingress.rules import INDEX, RECEIVED_AT, RING, findings
from tests.unit.ingress.webhooks import (
    NUMBER_ID,
    SECRET,
    messages_body,
    sample,
    sign,
    status,
    statuses_body,
    text_message,
)


@dataclass
class Shelf:
    """A place that stores, or does not."""

    works: bool = True
    kinds: list[type[Event]] = field(default_factory=list)

    async def store(self, packed: Packed) -> None:
        if not self.works:
            raise NotStored
        for kind, slices in packed.items():
            self.kinds += [kind] * sum(each.events for each in slices)


def receiver(outbox: Outbox, registry: CollectorRegistry) -> Receiver:
    return Receiver(
        app_secrets=(SECRET.encode(),),
        verify_token="token-of-the-handshake",
        phone_number_id=NUMBER_ID,
        seal=RING.seal,
        index=INDEX,
        clock=lambda: RECEIVED_AT,
        outbox=outbox,
        meter=Metrics(registry),
    )


def counted(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"kreisfunk_ingress_{name}", labels) or 0.0


@pytest.mark.parametrize(
    ("body", "result", "kinds"),
    [
        (sample("text"), Result.ACCEPTED, [InboundMessage]),
        (sample("text_in_group"), Result.ACCEPTED, []),
        (b"no webhook", Result.QUARANTINED, [WebhookQuarantined]),
        (
            messages_body(text_message(1), {"id": 1}),
            Result.QUARANTINED,
            [InboundMessage, WebhookQuarantined],
        ),
    ],
)
async def test_a_signed_body_is_stored_and_counted(body: bytes, result: Result, kinds: list[type[Event]]) -> None:
    shelf, registry = Shelf(), CollectorRegistry()
    assert await receiver(shelf, registry).receive(body, sign(body)) is result
    assert shelf.kinds == kinds
    assert counted(registry, "webhooks_total", result=result) == 1


async def test_an_unsigned_body_is_not_even_read() -> None:
    shelf, registry = Shelf(), CollectorRegistry()
    assert await receiver(shelf, registry).receive(b"no webhook", None) is Result.UNSIGNED
    assert shelf.kinds == []
    assert counted(registry, "webhooks_total", result="unsigned") == 1


async def test_what_is_not_stored_is_unavailable_and_counted_as_nothing_else() -> None:
    shelf, registry = Shelf(works=False), CollectorRegistry()
    body = sample("mixed")
    assert await receiver(shelf, registry).receive(body, sign(body)) is Result.UNAVAILABLE
    assert counted(registry, "ignored_total", reason="other_number") == 0


async def test_what_is_not_for_us_is_counted_by_reason() -> None:
    shelf, registry = Shelf(), CollectorRegistry()
    ours = receiver(shelf, registry)
    for name in ("mixed", "text_in_group"):
        await ours.receive(sample(name), sign(sample(name)))
    assert counted(registry, "ignored_total", reason="other_number") == 1
    assert counted(registry, "ignored_total", reason="group") == 1


def packed(body: bytes) -> Packed:
    return pack([it for it in findings(body) if isinstance(it, InboundMessage | DeliveryStatus)])


async def test_the_outbox_fails_a_webhook_of_which_one_group_is_refused() -> None:
    async def publish(kind: type[Event], _: Sequence[Slice]) -> None:
        if kind is DeliveryStatus:
            raise NotStored

    async with open_outbox(publish) as outbox:
        with pytest.raises(NotStored):
            await outbox.store(packed(sample("mixed")))
        await outbox.store(packed(sample("text")))


async def test_the_outbox_waits_no_longer_than_it_may() -> None:
    idle = {kind: GroupCommit(publish=_never, limits=GROUP) for kind in KINDS}
    outbox = GroupedOutbox(idle, Deadlines(0.01))
    async with background(outbox.deadlines.work()):
        with pytest.raises(NotStored, match="in time"):
            await outbox.store(packed(sample("mixed")))


@pytest.mark.parametrize(("limit", "most"), [("MOST_WAITING_WEBHOOKS", 0), ("MOST_WAITING_BYTES", 0)])
async def test_the_outbox_holds_only_so_much(monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    monkeypatch.setattr(outbox_module, limit, most)
    async with open_outbox(_never) as outbox:
        with pytest.raises(NotStored, match="too much"):
            await outbox.store(packed(statuses_body(status(1))))


async def _never(*_: object) -> None:
    raise AssertionError("nothing is to be published")
