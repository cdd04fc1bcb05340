"""A replica dies between every two steps of the send path; the next one sends what is left, and nothing twice.

The ledger is the real one. Each call to the outside is a step, before it and after it: at step k the replica stops
for good, as after SIGKILL, and a second one gets what the first had not settled, as the broker would deliver it.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.send_results import Accepted, SendResult
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.maintenance import find_work
from services.dispatcher.handlers.pauses import Pauses
from services.dispatcher.handlers.recorder import Recorder
from services.dispatcher.handlers.send_loop import SendLoop
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.ports import Claim, LaneMessage, Ledger, StatusUpdate
from shared.contracts.dispatch import Withdrawal
from shared.contracts.envelope import encode
from shared.contracts.message import Lane, Message
from shared.database.pool import Database as Pool
from shared.outcome import Outcome
from tests.integration.dispatcher.conftest import NUMBER
from tests.integration.dispatcher.factories import build_batch_message, build_reply, generate_subscribers
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
    """Accepts everything, and remembers for whom."""

    def __init__(self) -> None:
        self.accepted: Counter[UUID] = Counter()

    async def accept(self, claim: Claim) -> SendResult:
        self.accepted[claim.delivery] += 1
        return Accepted(f"wamid.{claim.delivery}")

    def hash_message_id(self, message_id: str) -> bytes:
        return message_id.encode()[-16:]


class Way:
    """To Meta and back."""

    def __init__(self, meta: FakeGraph, death: Death) -> None:
        self._meta = cast("FakeGraph", death.through(meta, "accept"))
        self.hash_message_id = meta.hash_message_id

    def prepare(self, claims: Iterable[Claim]) -> None:
        """Nothing has to be encrypted here."""

    def send(self, claim: Claim, _: Callable[[], bool]) -> asyncio.Future[SendResult]:
        return asyncio.ensure_future(self._meta.accept(claim))

    def answer(self, sent: asyncio.Future[SendResult]) -> SendResult:
        return sent.result()


class Broker:
    """Messages that come back until they are settled."""

    def __init__(self, messages: dict[Lane, list[Message]]) -> None:
        self.unsettled = {
            lane: [FakeLaneMessage(self, lane, _body(one)) for one in some] for lane, some in messages.items()
        }

    def queues(self, death: Death) -> dict[Lane, "FakeLaneQueue"]:
        return {
            lane: FakeLaneQueue(
                [cast("LaneMessage", death.through(one, "settle")) for one in self.unsettled.get(lane, [])]
            )
            for lane in Lane
        }


class FakeLaneMessage:
    """One message on its queue."""

    def __init__(self, broker: Broker, lane: Lane, body: bytes) -> None:
        self._broker = broker
        self._lane = lane
        self.body = body
        self.alive = True
        self.attempt = 1

    async def settle(self, _: Outcome) -> None:
        self._broker.unsettled[self._lane].remove(self)


class FakeLaneQueue:
    """What one replica has been given of a lane."""

    def __init__(self, messages: list[LaneMessage]) -> None:
        self._messages = deque(messages)

    @property
    def waiting(self) -> int:
        return len(self._messages)

    def peek(self) -> LaneMessage | None:
        return self._messages[0] if self._messages else None

    def take(self) -> LaneMessage | None:
        return self._messages.popleft() if self._messages else None

    def open(self) -> None:
        raise AssertionError("nothing is closed here")

    def close(self) -> None:
        raise AssertionError("no pause is so long")


def _body(message: Message) -> bytes:
    return encode(message, event_id="1", source="/test", time=datetime.now(UTC))


async def live(
    ledger: PostgresLedger, pool: Pool, meta: FakeGraph, broker: Broker, death: Death, *, heir: bool = False
) -> None:
    """One replica, until it has died, or every message is settled, nothing due and nothing claimed.

    An `heir` does not wait for claims, as there are those of the dead.
    """

    async def idle() -> bool:
        await find_work(ledger, lanes, needed)  # which a service does four times a second
        if any(broker.unsettled.values()) or lanes.due or not recorder.idle.is_set():
            return False
        async with pool.connection() as connection:
            claimed = await connection.fetchval("select count(*) from dispatcher.delivery where state = 'claimed'")
        return heir or claimed == 0

    limiter = PostgresRateLimiter(pool, number=NUMBER, limit=10_000)
    await limiter.set_up()
    mortal = cast("Ledger", death.through(ledger, "register", "claim_batch", "claim_replies", "claim_due", "record"))
    sure = cast("PostgresRateLimiter", death.through(limiter, "reserve"))
    way = Way(meta, death)
    meter = Metrics(CollectorRegistry(), limit=10_000)
    recorder = Recorder(mortal, meter)
    lanes = Lanes(ledger=mortal, queues=broker.queues(death), prepare=way.prepare, wake=asyncio.Event())
    needed = defaultdict[str, asyncio.Event](asyncio.Event)
    sender = Sender(way, lanes, Pauses(mortal, sure, meter), sure, recorder, meter, max_requests=100, timeout=20)
    loop = SendLoop(lanes=lanes, limiter=sure, sender=sender, meter=meter)
    working = [asyncio.create_task(loop.run(5.0)), asyncio.create_task(recorder.run())]
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


async def let_the_stream_pass(ledger: PostgresLedger, pool: Pool, meta: FakeGraph) -> None:
    """Meta tells of everything that it accepted, and of a later message; the grace time is over."""
    async with pool.connection() as connection:
        await connection.execute(
            "update dispatcher.delivery set claimed_at = claimed_at - interval '1 hour',"
            " answer_by = answer_by - interval '1 hour'"
        )
    await ledger.mark_unknown()
    later = build_batch_message(generate_subscribers(1))
    broker, other = Broker({Lane.BULK: [later]}), FakeGraph()
    await live(ledger, pool, other, broker, Death(NEVER))
    for delivery in [*meta.accepted, *other.accepted]:
        key = meta.hash_message_id(f"wamid.{delivery}")
        await ledger.apply_statuses([StatusUpdate(delivery, DeliveryState.DELIVERED, key)])
    await ledger.requeue_unknown(0, 10)


def work() -> dict[Lane, list[Message]]:
    """A reply that confirms a withdrawal, an urgent notice and a broadcast that includes who has withdrawn."""
    people = generate_subscribers(RECIPIENTS)
    return {
        Lane.REPLY: [build_reply(Withdrawal(subscriber=people[0], sequence=1))],
        Lane.URGENT: [build_batch_message(generate_subscribers(1), lane=Lane.URGENT)],
        Lane.BULK: [build_batch_message(people)],
    }


EXPECTED = 1 + 1 + RECIPIENTS - 1


async def steps_of_a_whole_life(ledger: PostgresLedger, pool: Pool) -> int:
    meta, death = FakeGraph(), Death(NEVER)
    await live(ledger, pool, meta, Broker(work()), death)
    assert sum(meta.accepted.values()) == EXPECTED
    return death.steps


@pytest.mark.parametrize("part", range(4))
async def test_whatever_step_a_replica_dies_at_everybody_gets_it_once(
    ledger: PostgresLedger, pool: Pool, part: int
) -> None:
    steps = await steps_of_a_whole_life(ledger, pool)
    assert steps > 20
    for at in range(1 + part, steps + 1, 4):
        meta, broker = FakeGraph(), Broker(work())
        await live(ledger, pool, meta, broker, Death(at))
        await live(ledger, pool, meta, broker, Death(NEVER), heir=True)
        await let_the_stream_pass(ledger, pool, meta)
        await live(ledger, pool, meta, broker, Death(NEVER))
        assert set(meta.accepted.values()) == {1}, f"died at step {at} of {steps}: {meta.accepted}"
        assert len(meta.accepted) == EXPECTED, f"died at step {at} of {steps}"
        assert not any(broker.unsettled.values()), f"died at step {at} of {steps}"
