"""RabbitMQ: logins, topology, and what waits for an operator."""

from collections.abc import Awaitable, Callable

from cli.broker import away_advice
from cli.doctor.findings import Problem
from shared.amqp.connection import connect
from shared.amqp.inspection import Inventory, kept_queues, take_inventory
from shared.outcome import DependencyAway

Judge = Callable[[Inventory], Problem | None]
MOST_NAMED = 5


async def check_login(url: str, password: str | None) -> Problem | None:
    """Can log in to the vhost."""
    try:
        async with connect(url, password=password, name="doctor"):
            return None
    except DependencyAway as error:
        return Problem(str(error), away_advice(error))


def inventory_check(url: str, password: str | None, judge: Judge) -> Callable[[], Awaitable[Problem | None]]:
    """Looks at the topology with this login and judges it."""

    async def look() -> Problem | None:
        try:
            async with connect(url, password=password, name="doctor") as connection:
                return judge(await take_inventory(connection))
        except DependencyAway as error:
            return Problem(str(error), away_advice(error))

    return look


def judge_topology(inventory: Inventory) -> Problem | None:
    """Everything is declared."""
    if not inventory.missing:
        return None
    return Problem(f"missing: {_few(inventory.missing)}", "Run `kreisfunk migrate` as the broker's administrator.")


def judge_dead_letters(inventory: Inventory) -> Problem | None:
    """Nothing waits for an operator."""
    kept = [f"{inventory.waiting[name]} in {name}" for name in kept_queues() if inventory.waiting.get(name)]
    if not kept:
        return None
    advice = "Read the header `reason` of each in RabbitMQ's management, mend the cause, then move or delete them."
    return Problem(_few(kept), advice)


def _few(names: list[str] | tuple[str, ...]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
