"""The ingress put together: probes outside, then the broker, the outbox, and the public port inside."""

from contextlib import AbstractAsyncContextManager, nullcontext

from prometheus_client import CollectorRegistry

from services.ingress.adapters.http import public_port
from services.ingress.adapters.metrics import Metrics
from services.ingress.adapters.outbox import BrokerGroups, open_outbox
from services.ingress.door.wiring import Place, open_door
from services.ingress.handlers import Receiver
from services.ingress.ports import Meter, Outbox
from services.ingress.settings import Settings
from shared.amqp.publisher import PatientPublisher
from shared.amqp.stream import StreamReader
from shared.amqp.topology import PROGRESS
from shared.runtime.clock import system_clock
from shared.runtime.probes import Readiness, internal_port
from shared.runtime.process import Stop
from shared.sealing import IndexKey, KeyRing

NAME = "ingress"
PROGRESS_SHOWN = "7D"
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
        _door(settings, publisher, registry),
    ):
        await stop.requested.wait()
        readiness.draining = True


def _shutdown_seconds(settings: Settings) -> float:
    return min(LONGEST_SHUTDOWN_SECONDS, settings.drain_seconds / 2)


def _door(
    settings: Settings, publisher: PatientPublisher, registry: CollectorRegistry
) -> AbstractAsyncContextManager[None]:
    """The port for municipal systems, where one is set."""
    if settings.door_port is None:
        return nullcontext()
    place = Place(
        host=settings.door_host,
        port=settings.door_port,
        county_file=settings.county_file,
        tokens_file=settings.door_tokens_file,
        proxies=settings.door_proxy_networks,
        requests_per_minute=settings.door_requests_per_minute,
        login=settings.login,
        reader=StreamReader(
            url=settings.broker_url,
            password=settings.broker_secret,
            name=f"{NAME} reads",
            stream=PROGRESS,
            begin=PROGRESS_SHOWN,
        ),
        shutdown_seconds=_shutdown_seconds(settings),
    )
    return open_door(place, publisher, registry)


def _receiver(settings: Settings, outbox: Outbox, meter: Meter) -> Receiver:
    return Receiver(
        app_secrets=settings.app_secret_values,
        verify_token=settings.verify_token.get_secret_value(),
        phone_number_id=settings.phone_number_id,
        account_id=settings.waba_id,
        seal=KeyRing.parse(settings.sealing_keys.get_secret_value()).seal,
        index=IndexKey.parse(settings.index_key.get_secret_value()).index,
        clock=system_clock,
        outbox=outbox,
        meter=meter,
    )
