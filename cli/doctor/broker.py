"""Checks of RabbitMQ: logins, topology, and messages that wait for an operator."""

from collections.abc import Awaitable, Callable

from cli.broker import explain_broker_error
from cli.doctor.findings import DoctorProblem
from cli.migrate.settings import Settings as Admin
from cli.queue_arguments import ADVICE, QueueArgumentsError, require_same_arguments
from shared.amqp.connection import connect
from shared.amqp.inspection import Inventory, list_operator_queues, take_inventory
from shared.outcome import DependencyUnavailable

InventoryCheck = Callable[[Inventory], DoctorProblem | None]
MAX_NAMES = 5


async def check_login(url: str, password: str | None) -> DoctorProblem | None:
    """Check that the login can open the vhost."""
    try:
        async with connect(url, password=password, name="doctor"):
            return None
    except DependencyUnavailable as error:
        return DoctorProblem(str(error), explain_broker_error(error))


def build_inventory_check(
    url: str, password: str | None, judge: InventoryCheck
) -> Callable[[], Awaitable[DoctorProblem | None]]:
    """Return a check that takes the broker's inventory with this login and passes it to `judge`."""

    async def look() -> DoctorProblem | None:
        try:
            async with connect(url, password=password, name="doctor") as connection:
                return judge(await take_inventory(connection))
        except DependencyUnavailable as error:
            return DoctorProblem(str(error), explain_broker_error(error))

    return look


async def check_queue_arguments(settings: Admin) -> DoctorProblem | None:
    """Check that queues which exist are as this version declares them; only an administrator can see that."""
    try:
        await require_same_arguments(settings)
    except QueueArgumentsError as error:
        return DoctorProblem(str(error), ADVICE)
    except DependencyUnavailable as error:
        return DoctorProblem(str(error), "Is KREISFUNK_BROKER_API_URL right, and may the administrator log in there?")
    return None


def check_topology(inventory: Inventory) -> DoctorProblem | None:
    """Check that every exchange and queue is declared."""
    if not inventory.missing:
        return None
    return DoctorProblem(
        f"missing: {_format_names(inventory.missing)}", "Run `kreisfunk migrate` as the broker's administrator."
    )


def check_dead_letters(inventory: Inventory) -> DoctorProblem | None:
    """Check that no message waits for an operator."""
    kept = [f"{inventory.waiting[name]} in {name}" for name in list_operator_queues() if inventory.waiting.get(name)]
    if not kept:
        return None
    advice = 'What each is and how to settle it: operators\' guide, "Dead letters and quarantine".'
    return DoctorProblem(_format_names(kept), advice)


def _format_names(names: list[str] | tuple[str, ...]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
