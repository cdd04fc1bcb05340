"""Publisher of publications on RabbitMQ."""

from collections.abc import Mapping

from services.subscriptions.domain.publication import Destination, Publication, PublicationRefused
from shared.amqp.publisher import Publisher, PublishRefused
from shared.amqp.topology import DISPATCH, EVENTS
from shared.outcome import DependencyUnavailable, Unroutable

_EXCHANGES: Mapping[Destination, str] = {Destination.DISPATCH: DISPATCH, Destination.EVENTS: EVENTS}


class AmqpEventPublisher:
    """Implementation of ports.EventPublisher."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def publish(self, publication: Publication) -> None:
        """Publish. A missing queue raises DependencyUnavailable like a missing broker: the message is valid."""
        try:
            await self._publisher.publish(
                _EXCHANGES[publication.destination],
                publication.key,
                publication.body,
                message_id=publication.message_id,
                mandatory=publication.required,
            )
        except PublishRefused as error:
            raise PublicationRefused(str(error)) from error
        except Unroutable as error:
            raise DependencyUnavailable(str(error)) from error
