"""Queues that exist with other arguments than this version declares."""

from cli.rabbitmq_management import BrokerQueue, open_management
from cli.settings import MigrationSettings
from shared.amqp.topology import list_arguments

ADVICE = 'RabbitMQ cannot change them in place: operators\' guide, "Queues that change".'


class QueueArgumentsError(Exception):
    """Queues exist with other arguments; the text names each with what differs."""


async def require_same_arguments(settings: MigrationSettings) -> None:
    """Return if all of our queues that exist are as declared. Raises QueueArgumentsError or DependencyUnavailable."""
    wanted = list_arguments()
    async with open_management(str(settings.broker_api_url), settings.broker_url, settings.broker_password) as api:
        found = [queue for queue in await api.list_queues() if queue.name in wanted]
    if differing := [queue for queue in found if queue.arguments != wanted[queue.name]]:
        raise QueueArgumentsError("; ".join(_describe(queue, wanted[queue.name]) for queue in differing))


def _describe(queue: BrokerQueue, wanted: dict[str, object]) -> str:
    names = sorted(name for name in {*queue.arguments, *wanted} if queue.arguments.get(name) != wanted.get(name))
    parts = [f"{name} is {queue.arguments.get(name)} instead of {wanted.get(name)}" for name in names]
    return f"{queue.name}: {', '.join(parts)}"
