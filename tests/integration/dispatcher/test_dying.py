"""A replica dies between every two steps of the send path; the next one sends what is left, and nothing twice.

The ledger is the real one. Each call to the outside is a step, before it and after it: at step k the replica stops
for good, as after SIGKILL, and a second one gets what the first had not settled, as the broker would deliver it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast
from uuid import UUID

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.send_results import Accepted, SendResult
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.domain.status_updates import StatusUpdate
from services.dispatcher.ports import Ledger
from shared.contracts.dispatch import Withdrawal
from shared.contracts.message import Lane, Message
from tests.factories.lanes import FakeLaneMessage, FakeLaneQueue, encode_message
from tests.integration.dispatcher.factories import NUMBER, build_batch_message, build_reply, generate_subscribers
from tests.integration.dispatcher.replica import build_replica
from tests.servers import wait_for

RECIPIENTS = 3
NEVER = 10_000


class Death:
    """Counts steps; at step `at` everything that goes through it stops for ever."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps = 0
        self.died = asyncio.Event()

    async def step(self) -> None:
        self.steps += 1
        if self.steps >= self.at:
            self.died.set()
        if self.died.is_set():
            await asyncio.Event().wait()

    def through(self, real: object, *methods: str) -> Any:
        """`real`, with a step before and after each of its methods."""
        return CrashingWrapper(self, real, methods)


class CrashingWrapper:
    """Passes everything on until death."""

    def __init__(self, death: Death, real: object, methods: tuple[str, ...]) -> None:
        self._death = death
        self._real = real
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        return self._stepping(value) if name in self._methods else value

    def _stepping(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **options: Any) -> Any:
            await self._death.step()
            result = await method(*arguments, **options)
            await self._death.step()
            return result

        return call


class FakeGraph:
    """Meta, which accepts everything and remembers for whom, and the way there and back of the replica that lives."""

    def __init__(self) -> None:
        self.accepted: Counter[UUID] = Counter()
        self.death = Death(NEVER)

    def prepare(self, claims: Iterable[Claim]) -> None:
        """Nothing has to be encrypted here."""

    def send(self, claim: Claim, _: Callable[[], bool]) -> asyncio.Future[SendResult]:
        return asyncio.ensure_future(self._accept(claim, self.death))

    async def _accept(self, claim: Claim, death: Death) -> SendResult:
        await death.step()
        self.accepted[claim.delivery] += 1
        await death.step()
        return Accepted(f"wamid.{claim.delivery}")

    def answer(self, sent: asyncio.Future[SendResult]) -> SendResult:
        return sent.result()

    def hash_message_id(self, message_id: str) -> bytes:
        return message_id.encode()[-16:]


class Broker:
    """Messages that come back until they are settled."""

    def __init__(self, messages: dict[Lane, list[Message]]) -> None:
        self._messages = {
            lane: [FakeLaneMessage(encode_message(one)) for one in some] for lane, some in messages.items()
        }

    def list_unsettled(self, lane: Lane) -> list[FakeLaneMessage]:
        return [one for one in self._messages.get(lane, []) if not one.outcomes]

    def has_unsettled(self) -> bool:
        return any(map(self.list_unsettled, Lane))

    def queues(self, death: Death) -> dict[Lane, FakeLaneQueue]:
        return {
            lane: FakeLaneQueue([death.through(one, "settle") for one in self.list_unsettled(lane)]) for lane in Lane
        }


async def live(ledger: PostgresLedger, meta: FakeGraph, broker: Broker, death: Death, *, heir: bool = False) -> None:
    """One replica, until it has died, or every message is settled, nothing due and nothing claimed.

    An `heir` does not wait for claims, as there are those of the dead.
    """

    async def idle() -> bool:
        await replica.find_work()
        if broker.has_unsettled() or replica.lanes.due or not replica.recorder.idle.is_set():
            return False
        claimed = await ledger.database.fetchval("select count(*) from dispatcher.delivery where state = 'claimed'")
        return heir or claimed == 0

    limiter = PostgresRateLimiter(ledger.database, number=NUMBER, limit=10_000)
    await limiter.set_up()
    dying = cast("Ledger", death.through(ledger, "register", "claim_batch", "claim_replies", "claim_due", "record"))
    sure, meta.death = death.through(limiter, "reserve"), death
    replica = build_replica(dying, sure, meta, broker.queues(death), asyncio.Event())
    working = [asyncio.create_task(replica.loop.run(5.0)), asyncio.create_task(replica.recorder.run())]
    done = asyncio.create_task(wait_for(idle))
    dead = asyncio.create_task(death.died.wait())
    await asyncio.wait([done, dead, *working], return_when=asyncio.FIRST_COMPLETED)
    assert dead.done() or done.done(), "neither dead nor ready"
    if done.done():
        done.result()
    death.died.set()  # whatever is cancelled now reaches nothing outside any more
    for task in (*working, done, dead):
        task.cancel()
    await asyncio.gather(*working, done, dead, return_exceptions=True)


async def let_the_stream_pass(ledger: PostgresLedger, meta: FakeGraph) -> None:
    """Meta tells of everything that it accepted, and of a later message; the grace time is over."""
    await ledger.database.fetchval(
        "update dispatcher.delivery set claimed_at = claimed_at - interval '1 hour',"
        " answer_by = answer_by - interval '1 hour'"
    )
    await ledger.mark_unknown()
    later = build_batch_message(generate_subscribers(1))
    broker, other = Broker({Lane.BULK: [later]}), FakeGraph()
    await live(ledger, other, broker, Death(NEVER))
    for delivery in [*meta.accepted, *other.accepted]:
        key = meta.hash_message_id(f"wamid.{delivery}")
        await ledger.apply_statuses([StatusUpdate(delivery, DeliveryState.DELIVERED, key)])
    await ledger.requeue_unknown(0, 10)


def work() -> dict[Lane, list[Message]]:
    """A reply that confirms a withdrawal, an urgent notice and a broadcast that includes who has withdrawn."""
    subscribers = generate_subscribers(RECIPIENTS)
    return {
        Lane.REPLY: [build_reply(Withdrawal(subscriber=subscribers[0], sequence=1))],
        Lane.URGENT: [build_batch_message(generate_subscribers(1), lane=Lane.URGENT)],
        Lane.BULK: [build_batch_message(subscribers)],
    }


EXPECTED = 1 + 1 + RECIPIENTS - 1


async def steps_of_a_whole_life(ledger: PostgresLedger) -> int:
    meta, death = FakeGraph(), Death(NEVER)
    await live(ledger, meta, Broker(work()), death)
    assert sum(meta.accepted.values()) == EXPECTED
    return death.steps


async def test_whatever_step_a_replica_dies_at_everybody_gets_it_once(ledger: PostgresLedger) -> None:
    steps = await steps_of_a_whole_life(ledger)
    assert steps > 20
    for at in range(1, steps + 1):
        meta, broker = FakeGraph(), Broker(work())
        await live(ledger, meta, broker, Death(at))
        await live(ledger, meta, broker, Death(NEVER), heir=True)
        await let_the_stream_pass(ledger, meta)
        await live(ledger, meta, broker, Death(NEVER))
        assert set(meta.accepted.values()) == {1}, f"died at step {at} of {steps}: {meta.accepted}"
        assert len(meta.accepted) == EXPECTED, f"died at step {at} of {steps}"
        assert not broker.has_unsettled(), f"died at step {at} of {steps}"
