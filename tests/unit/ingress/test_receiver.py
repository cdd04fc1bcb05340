"""Answers and counters of the receiver, by the fate of the events."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.ingress.settings import Settings
from services.ingress.webhook import outbox as outbox_module
from services.ingress.webhook.events import Chunk, EncodedEvents, Event, encode_events
from services.ingress.webhook.metrics import Metrics
from services.ingress.webhook.outbox import open_outbox
from services.ingress.webhook.receiver import NotStored, Outbox, Receiver, WebhookResult
from services.ingress.wiring import build_receiver
from shared.contracts.inbound import DeliveryStatus, InboundMessage, WebhookQuarantined
from shared.runtime.settings import read_settings
from tests.factories.webhook_rules import RECEIVED_AT, RULES, find_all
from tests.factories.webhooks import (
    SECRET,
    build_messages_body,
    build_status,
    build_statuses_body,
    build_text_message,
    read_sample,
    sign,
)
from tests.harness.ingress import build_environment


@dataclass
class FakeOutbox:
    """Stores, or does not."""

    works: bool = True
    kinds: list[type[Event]] = field(default_factory=list)

    async def store(self, events: EncodedEvents) -> None:
        if not self.works:
            raise NotStored
        for kind, chunks in events.items():
            self.kinds += [kind] * sum(each.events for each in chunks)


def receiver(outbox: Outbox, registry: CollectorRegistry) -> Receiver:
    return Receiver(
        app_secrets=(SECRET.encode(),),
        verify_token="token-of-the-handshake",
        build_rules=lambda: RULES,
        outbox=outbox,
        meter=Metrics(registry),
    )


def counted(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"kreisfunk_ingress_{name}", labels) or 0.0


@pytest.mark.parametrize(
    ("body", "result", "kinds"),
    [
        (read_sample("text"), WebhookResult.ACCEPTED, [InboundMessage]),
        (read_sample("text_in_group"), WebhookResult.ACCEPTED, []),
        (b"no webhook", WebhookResult.QUARANTINED, [WebhookQuarantined]),
        (
            build_messages_body(build_text_message(1), {"id": 1}),
            WebhookResult.QUARANTINED,
            [InboundMessage, WebhookQuarantined],
        ),
    ],
)
async def test_a_signed_body_is_stored_and_counted(
    body: bytes, result: WebhookResult, kinds: list[type[Event]]
) -> None:
    outbox, registry = FakeOutbox(), CollectorRegistry()
    assert await receiver(outbox, registry).receive(body, sign(body)) is result
    assert outbox.kinds == kinds
    assert counted(registry, "webhooks_total", result=result) == 1


async def test_what_is_not_stored_is_unavailable_and_counted_as_nothing_else() -> None:
    outbox, registry = FakeOutbox(works=False), CollectorRegistry()
    body = read_sample("mixed")
    assert await receiver(outbox, registry).receive(body, sign(body)) is WebhookResult.UNAVAILABLE
    assert counted(registry, "ignored_total", reason="other_number") == 0


async def test_what_is_not_for_us_is_counted_by_reason() -> None:
    outbox, registry = FakeOutbox(), CollectorRegistry()
    ours = receiver(outbox, registry)
    for name in ("mixed", "text_in_group"):
        await ours.receive(read_sample(name), sign(read_sample(name)))
    assert counted(registry, "ignored_total", reason="other_number") == 1
    assert counted(registry, "ignored_total", reason="group") == 1


def encode_all(body: bytes) -> EncodedEvents:
    return encode_events([it for it in find_all(body) if isinstance(it, InboundMessage | DeliveryStatus)])


async def test_the_outbox_fails_a_webhook_of_which_one_group_is_refused() -> None:
    async def publish(kind: type[Event], _: Sequence[Chunk]) -> None:
        if kind is DeliveryStatus:
            raise NotStored

    async with open_outbox(publish) as outbox:
        with pytest.raises(NotStored):
            await outbox.store(encode_all(read_sample("mixed")))
        await outbox.store(encode_all(read_sample("text")))


@pytest.mark.parametrize(("limit", "most"), [("MAX_WAITING_WEBHOOKS", 0), ("MAX_WAITING_BYTES", 0)])
async def test_the_outbox_holds_only_so_much(monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    monkeypatch.setattr(outbox_module, limit, most)
    async with open_outbox(_never) as outbox:
        with pytest.raises(NotStored, match="too much"):
            await outbox.store(encode_all(build_statuses_body(build_status(1))))


async def _never(*_: object) -> None:
    raise AssertionError("nothing is to be published")


def test_each_webhook_has_the_time_at_which_it_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meta's timestamps are whole seconds: within one, this is the order of what somebody writes."""
    for name, value in build_environment("amqp://ingress@127.0.0.1:1/", 0, 0).items():
        monkeypatch.setenv(name, value)
    arrivals = [RECEIVED_AT, RECEIVED_AT + timedelta(milliseconds=1)]
    monkeypatch.setattr("services.ingress.wiring.system_clock", iter(arrivals).__next__)
    built = build_receiver(read_settings(Settings), FakeOutbox(), Metrics(CollectorRegistry()))
    assert [built.build_rules().received_at for _ in arrivals] == arrivals
