"""Outbox that posts updates to the business until it answers 200; nothing is lost while the process lives."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field

import aiohttp

from simulator.faults import draw_chance
from simulator.webhooks.batches import HEADER, MAX_UPDATES, Update, WebhookEnvelope, sign, take_batch
from simulator.webhooks.subscription import WebhookSubscription

MIN_RETRY_DELAY_SECONDS = 0.25
MAX_RETRY_DELAY_SECONDS = 10.0
WORKERS = 8
LINGER_SECONDS = 0.05
ANSWER_TIMEOUT = aiohttp.ClientTimeout(total=10)

log = logging.getLogger(__name__)


def compute_retry_delay(attempt: int, share: float) -> float:
    """Return the delay in seconds after `attempt` earlier retries; `share` in [0, 1) spreads the posts."""
    max_delay = min(MAX_RETRY_DELAY_SECONDS, MIN_RETRY_DELAY_SECONDS * 2.0 ** min(attempt, 16))
    return max_delay * (0.5 + share / 2)


@dataclass(kw_only=True)
class WebhookOutbox:
    """Waiting updates, and the workers that post them."""

    session: aiohttp.ClientSession
    subscription: WebhookSubscription
    secret: bytes
    envelope: WebhookEnvelope
    pending: int = 0
    sent: int = 0
    posts: int = 0
    retried: int = 0
    failing: bool = False
    _waiting: deque[Update] = field(default_factory=deque)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _empty: asyncio.Event = field(default_factory=asyncio.Event)
    _batch_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def put(self, update: Update) -> None:
        self.pending += 1
        self._waiting.append(update)
        self._filled.set()
        self._empty.clear()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work())

    async def drain(self) -> None:
        if self.pending:
            await self._empty.wait()

    async def _work(self) -> None:
        while True:
            batch = await self._take_batch()
            await self._deliver(self.envelope.compose(batch))
            self.sent += len(batch)
            self.pending -= len(batch)
            for update in batch:
                if update.on_accepted:
                    update.on_accepted()
            if not self.pending:
                self._empty.set()

    async def _take_batch(self) -> list[Update]:
        async with self._batch_lock:
            await self._filled.wait()
            if len(self._waiting) < MAX_UPDATES:
                await asyncio.sleep(LINGER_SECONDS)  # for more updates
            batch = take_batch(self._waiting)
            if not self._waiting:
                self._filled.clear()
            return batch

    async def _deliver(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json", HEADER: sign(self.secret, body)}
        attempt = 0
        while not await self._post(body, headers):
            self.retried += 1
            await asyncio.sleep(compute_retry_delay(attempt, draw_chance(self.retried, "pause", attempt)))
            attempt += 1
        self.posts += 1

    async def _post(self, body: bytes, headers: dict[str, str]) -> bool:
        try:
            async with self.session.post(
                self.subscription.url or "", data=body, headers=headers, timeout=ANSWER_TIMEOUT, allow_redirects=False
            ) as answer:
                await answer.read()
                reason = "" if answer.status == 200 else f"status {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = type(error).__name__
        self._log_change(reason)
        return not reason

    def _log_change(self, reason: str) -> None:
        """Log when the business stops and when it resumes accepting webhooks, not each failure."""
        if reason and not self.failing:
            log.warning("webhooks are not accepted (%s); retrying until they are", reason)
        elif self.failing and not reason:
            log.info("webhooks are accepted again")
        self.failing = bool(reason)
