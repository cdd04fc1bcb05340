"""Publisher of publications on RabbitMQ."""

from collections.abc import Mapping

from services.subscriptions.domain.publication import Destination, Publication, PublicationRefused
from shared.amqp.publisher import Publisher, PublishRefused
from shared.amqp.topology import DISPATCH, EVENTS

_EXCHANGES: Mapping[Destination, str] = {Destination.DISPATCH: DISPATCH, Destination.EVENTS: EVENTS}


class AmqpEventPublisher:
    """Implementation of ports.EventPublisher."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def publish(self, publication: Publication) -> None:
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
