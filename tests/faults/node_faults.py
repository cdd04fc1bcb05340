"""Faults of nodes: of a broker with three, of a database with two standbys, and scaling of the dispatchers."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

from deploy.local.ports import LOOPBACK
from deploy.local.process import is_port_open
from deploy.local.stack import Stack
from shared.amqp.topology import LANES
from shared.contracts.message import Lane
from tests.faults.fault_types import POSTGRES, RABBITMQ, FaultAction, FaultPhase, FaultType, list_replicas
from tests.faults.plan import Fault
from tests.replicas.rabbitmq import SIZE
from tests.replicas.servers import ReplicatedServers

SCALED_DISPATCHERS = 4
# Time until sending has recovered from a fault and its effects are gone, so that faults do not overlap.
REST_SECONDS = 20.0
REPLICATED_TIMEOUT_SECONDS = 90.0
# A rolling restart on a busy machine, where each of RabbitMQ's commands takes seconds.
MAX_NODE_FAULT_SECONDS = 300.0
POLL_INTERVAL_SECONDS = 0.2
_NODES = list_replicas(RABBITMQ, SIZE)
_LANE = LANES[Lane.BULK].name

NODE_FAULT_TYPES: tuple[FaultType, ...] = (
    FaultType("kill a broker node", FaultAction.KILL, _NODES),
    FaultType("kill the leader of a lane", FaultAction.KILL_LEADER, (_LANE,)),
    FaultType("cut off a broker node", FaultAction.CUT_OFF, _NODES, (8.0, 15.0)),
    FaultType("freeze a broker node", FaultAction.FREEZE, _NODES, (15.0, 25.0)),
    FaultType("kill the primary", FaultAction.FAIL_OVER, (POSTGRES,)),
    FaultType("rolling restart of the brokers", FaultAction.ROLL, (RABBITMQ,)),
    FaultType(
        "from 4 to 1 to 4 to 1 dispatchers", FaultAction.SCALE, ("dispatcher",), (45.0, 45.0), phase=FaultPhase.STEADY
    ),
)


def make_node_plan(seed: int) -> tuple[Fault, ...]:
    """Plan each kind once, in random order; each begins REST_SECONDS after the end of the previous one."""
    chance = random.Random(seed)
    plan, at = list[Fault](), 0.0
    for recipe in chance.sample(NODE_FAULT_TYPES, len(NODE_FAULT_TYPES)):
        at += REST_SECONDS
        fault = Fault(at, recipe, chance.choice(recipe.targets), round(chance.uniform(*recipe.seconds), 3))
        plan.append(fault)
        at = fault.until
    return tuple(plan)


async def kill_leader(stack: Stack, fault: Fault) -> None:
    """Kill the node that leads the target, a queue, and return when it is back."""
    leader = await _get_servers(stack).brokers.find_leader(fault.target)
    stack.supervisor.kill(leader.name)
    await stack.supervisor.wait_until_ready(leader.name)


async def cut_off_node(stack: Stack, fault: Fault) -> None:
    """Cut a node off from the others, and return when it serves again."""
    brokers = _get_servers(stack).brokers
    node = next(node for node in brokers.nodes if node.name == fault.target)
    await brokers.cut_off(node, fault.seconds)
    await asyncio.sleep(fault.seconds)
    while not await is_port_open(LOOPBACK, node.port):  # noqa: ASYNC110 (no event signals it)
        await asyncio.sleep(POLL_INTERVAL_SECONDS)


async def fail_over(stack: Stack, _: Fault) -> None:
    """Kill the primary, promote a standby, and return when the killed server is a standby again."""
    database = _get_servers(stack).database
    primary = await database.find_primary()
    primary.server.kill()
    await primary.server.wait()
    await database.switch_primary()
    await database.add_standby(primary)


async def restart_in_turn(stack: Stack, _: Fault) -> None:
    """Stop and start one broker node after another, each when every queue has a majority without it."""
    brokers = _get_servers(stack).brokers
    for node in brokers.nodes:
        await brokers.wait_until_replicated(node, REPLICATED_TIMEOUT_SECONDS)
        await stack.supervisor.stop_one(node.name)
        await stack.supervisor.start_one(node.name)


async def scale_dispatchers(stack: Stack, fault: Fault) -> None:
    """Go down to one dispatcher, up to four, and down again, each for a third of the time; then up again."""
    others = list_replicas("dispatcher", SCALED_DISPATCHERS)[1:]
    for _ in range(2):
        await asyncio.gather(*(stack.supervisor.stop_one(name) for name in others))
        await asyncio.sleep(fault.seconds / 3)
        await asyncio.gather(*(stack.supervisor.start_one(name) for name in others))
        await asyncio.sleep(fault.seconds / 3)


def _get_servers(stack: Stack) -> ReplicatedServers:
    assert isinstance(stack.servers, ReplicatedServers)
    return stack.servers


NODE_ACTIONS: Mapping[FaultAction, Callable[[Stack, Fault], Awaitable[None]]] = {
    FaultAction.KILL_LEADER: kill_leader,
    FaultAction.CUT_OFF: cut_off_node,
    FaultAction.FAIL_OVER: fail_over,
    FaultAction.ROLL: restart_in_turn,
    FaultAction.SCALE: scale_dispatchers,
}
