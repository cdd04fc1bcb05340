"""The ingress put together: probes outside, then the broker, the outbox, and the public port inside."""

from prometheus_client import CollectorRegistry

from services.ingress.adapters.http import public_port
from services.ingress.adapters.metrics import Metrics
from services.ingress.adapters.outbox import BrokerGroups, open_outbox
from services.ingress.handlers import Receiver
from services.ingress.ports import Meter, Outbox
from services.ingress.settings import Settings
from shared.amqp.publisher import PatientPublisher
from shared.runtime.clock import system_clock
from shared.runtime.probes import Readiness, internal_port
from shared.runtime.process import Stop
from shared.sealing import IndexKey, KeyRing

NAME = "ingress"
LONGEST_SHUTDOWN_SECONDS = 5.0


async def serve(settings: Settings, stop: Stop) -> None:
    """Serve until a stop is asked for, then answer what is in flight."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    publisher = PatientPublisher()
    groups = BrokerGroups(publisher=publisher, clock=system_clock, metrics=metrics)
    readiness = Readiness({"broker": publisher.usable})
    async with (
        internal_port(host=settings.internal_host, port=settings.internal_port, registry=registry, readiness=readiness),
        publisher.connecting(settings.broker_url, password=settings.broker_secret, name=NAME),
        open_outbox(groups.publish) as outbox,
        public_port(
            _receiver(settings, outbox, metrics),
            host=settings.listen_host,
            port=settings.listen_port,
            shutdown_seconds=_shutdown_seconds(settings),
        ),
    ):
        await stop.requested.wait()
        readiness.draining = True


def _shutdown_seconds(settings: Settings) -> float:
    return min(LONGEST_SHUTDOWN_SECONDS, settings.drain_seconds / 2)


def _receiver(settings: Settings, outbox: Outbox, meter: Meter) -> Receiver:
    return Receiver(
        app_secrets=settings.app_secret_values,
        verify_token=settings.verify_token.get_secret_value(),
        phone_number_id=settings.phone_number_id,
        account_id=settings.waba_id,
        seal=KeyRing.parse(settings.sealing_keys.get_secret_value()).seal,
        index=IndexKey.parse(settings.index_key.get_secret_value()),
        clock=system_clock,
        outbox=outbox,
        meter=meter,
    )
