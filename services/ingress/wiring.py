"""Composition root of the ingress: opens the probes, then the broker connection, the outbox and the public port."""

from prometheus_client import CollectorRegistry

from services.ingress.settings import Settings
from services.ingress.webhook.addresses import Rules
from services.ingress.webhook.api import open_public_port
from services.ingress.webhook.metrics import Metrics
from services.ingress.webhook.outbox import GroupPublisher, open_outbox
from services.ingress.webhook.receiver import Outbox, Receiver, WebhookMeter
from shared.amqp.publisher import ReconnectingPublisher
from shared.runtime.clock import system_clock
from shared.runtime.probes import Readiness, open_internal_port
from shared.runtime.process import StopRequest

NAME = "ingress"


async def serve(settings: Settings, stop: StopRequest) -> None:
    """Serve until a stop is requested, then answer the requests in flight."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    publisher = ReconnectingPublisher()
    groups = GroupPublisher(publisher=publisher, clock=system_clock, metrics=metrics)
    readiness = Readiness({"broker": publisher.is_usable})
    async with (
        open_internal_port(settings, registry, readiness),
        publisher.connect_in_background(settings.broker_url, password=settings.broker_secret, name=NAME),
        open_outbox(groups.publish) as outbox,
        open_public_port(
            build_receiver(settings, outbox, metrics),
            host=settings.listen_host,
            port=settings.listen_port,
            shutdown_seconds=settings.shutdown_seconds,
        ),
    ):
        await stop.requested.wait()
        readiness.draining = True


def build_receiver(settings: Settings, outbox: Outbox, meter: WebhookMeter) -> Receiver:
    ring, index = settings.ring, settings.index

    def build_rules() -> Rules:
        return Rules(
            phone_number_id=settings.phone_number_id,
            account_id=settings.waba_id,
            received_at=system_clock(),
            encrypt=ring.encrypt,
            index=index,
        )

    return Receiver(
        app_secrets=settings.app_secret_values,
        verify_token=settings.verify_token.get_secret_value(),
        build_rules=build_rules,
        outbox=outbox,
        meter=meter,
    )
