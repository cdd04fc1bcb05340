"""Consumers of statuses, suppressions, progress requests, erasures, reactions and account webhooks."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import structlog

from services.dispatcher.domain import errors
from services.dispatcher.domain.account import AccountReport, AccountUpdate, classify_update, interpret_webhook
from services.dispatcher.domain.errors import ErrorAction, clamp_code, find_error_rule
from services.dispatcher.domain.states import STATES_BY_STATUS, DeliveryState
from services.dispatcher.domain.status_updates import StatusFailure, StatusUpdate
from services.dispatcher.handlers.maintenance import MARK, build_progress_event
from services.dispatcher.handlers.pauses import Pauses, Rejections, explain_code
from services.dispatcher.ports import Ledger, Meter, Publish, RecipientRepository
from shared.contracts import events
from shared.contracts.dispatch import Withdrawal
from shared.contracts.envelope import ContractError, decode
from shared.contracts.ids import delivery_id
from shared.contracts.inbound import ACCOUNT_FIELDS, AccountEvents, DeliveryStatus, DeliveryStatuses
from shared.contracts.message import Message
from shared.outcome import Dead, Done, InvalidDataError, Outcome
from shared.runtime.bisection import store_bisected

MAX_REFUSED = 1000
BILLED_CATEGORIES = ("marketing", "utility", "authentication", "service")

Actions = Mapping[type[Message], Callable[[Any], Awaitable[None]]]

_log = structlog.get_logger()


async def handle_message(actions: Actions, body: bytes) -> Outcome:
    """Apply a message by the idempotent action for its type; one that is invalid or of another type is a dead letter.

    Raises DependencyUnavailable.
    """
    try:
        message = decode(body)
    except ContractError as error:
        return Dead(str(error))
    if type(message) not in actions:
        return Dead(f"unexpected type {message.TYPE}")
    await actions[type(message)](message)
    return Done()


@dataclass(frozen=True, kw_only=True)
class StatusHandler:
    """Consumer of Meta's statuses: a group is one statement; order and repetitions do not matter.

    `_refused` maps the latest deliveries that failed with a code about the sender to whether other messages have been
    sent since. If so, the next such failure concerns that message only, unless so many fail that sending pauses.
    """

    ledger: Ledger
    pauses: Pauses
    meter: Meter
    _rejections: Rejections = field(default_factory=Rejections, init=False)
    _refused: dict[UUID, bool] = field(default_factory=dict, init=False)

    async def apply(self, message: DeliveryStatuses) -> None:
        received_at = max((status.received_at for status in message.statuses), default=None)
        for batch in split_by_delivery(fold(message.statuses)) or [[]]:
            await store_bisected(batch, partial(self._apply_updates, received_at), self._reject)
        # Counted after all are stored: while the database is unavailable, the above is repeated every two seconds.
        unmatched = sum(_parse_status(status) is None for status in message.statuses if status.status != MARK)
        self.meter.count("statuses", unmatched, "unmatched")
        for category, number in count_billed(message.statuses).items():
            self.meter.count("billed_messages", number, category)

    async def _apply_updates(self, received_at: datetime | None, updates: Sequence[StatusUpdate]) -> None:
        with_retries = [add_retry(update, isolated=self._refused.get(update.delivery, False)) for update in updates]
        applied = await self.ledger.apply_statuses(with_retries, received_at)
        self.meter.count("statuses", applied.changed, "changed")
        self.meter.count("statuses", applied.unmatched, "unmatched")
        for broadcast in applied.reached:
            self._rejections.restart(broadcast)
        self._refused.update(dict.fromkeys(self._refused if applied.reached else (), True))
        for failure in applied.failures:
            action = find_error_rule(failure.code).action
            if action is ErrorAction.SENDER and failure.broadcast:
                self._refused.update(dict.fromkeys(failure.deliveries, False))
                for oldest in list(self._refused)[:-MAX_REFUSED]:
                    del self._refused[oldest]
            if action is ErrorAction.TEMPLATE and failure.template:
                await self.pauses.pause_template(failure.template, explain_code(failure.code))
            elif action is ErrorAction.SLOWER:
                await self.pauses.throttle(failure.code)
            elif action in (ErrorAction.SENDER, ErrorAction.DROP) and failure.broadcast not in applied.reached:
                await self._count_failure(failure, action)

    async def _count_failure(self, failure: StatusFailure, action: ErrorAction) -> None:
        """Pause after many failures in a row; a few may be caused by their recipients."""
        broadcast, code = failure.broadcast, failure.code
        if broadcast is None or not self._rejections.observe(broadcast, code, failure.deliveries):
            return
        if action is ErrorAction.DROP:
            await self.pauses.pause_broadcast(broadcast, code)
            return
        self._refused.clear()
        if await self.pauses.pause_sending(explain_code(code)):
            self.meter.count("account_updates", label=AccountUpdate.SENDING_PAUSED)

    async def _reject(self, update: StatusUpdate, error: InvalidDataError) -> None:
        _log.error("status_refused", delivery=str(update.delivery), state=update.state.value, problem=str(error))
        self.meter.count("refused_rows", label="status")


def fold(statuses: Iterable[DeliveryStatus]) -> list[StatusUpdate]:
    """Return the furthest status of each delivery and message; omit statuses that are not about our deliveries."""
    order = list(STATES_BY_STATUS.values())
    updates = sorted(filter(None, map(_parse_status, statuses)), key=lambda update: order.index(update.state))
    return list({(update.delivery, update.message_key): update for update in updates}.values())


def split_by_delivery(updates: Iterable[StatusUpdate]) -> list[list[StatusUpdate]]:
    """Split into batches with each delivery at most once per batch: one that was resent has two messages."""
    batches: defaultdict[int, list[StatusUpdate]] = defaultdict(list)
    numbers: defaultdict[UUID, count[int]] = defaultdict(count)
    for update in updates:
        batches[next(numbers[update.delivery])].append(update)
    return list(batches.values())


def add_retry(update: StatusUpdate, *, isolated: bool = False) -> StatusUpdate:
    """Return the update, with a retry if its failure may be temporary, by the error table used for Meta's answers."""
    rule = find_error_rule(update.error_code)
    rule = errors.ISOLATED_REFUSAL if isolated and rule.action is ErrorAction.SENDER else rule
    if update.state is not DeliveryState.FAILED or rule.action in (ErrorAction.DROP, ErrorAction.RECIPIENT):
        return update
    attempts = errors.MAX_CODE if rule.action in errors.WAITING_ACTIONS else rule.attempts
    delays = [errors.compute_retry_delay(rule, attempt + 1, 0.5) for attempt in range(errors.MANY_ATTEMPTS)]
    return replace(update, attempts=attempts, delays=delays, waits_for=rule.action.value)


def _parse_status(status: DeliveryStatus) -> StatusUpdate | None:
    try:
        delivery, state = UUID(status.delivery or ""), STATES_BY_STATUS[status.status]
    except (ValueError, KeyError):
        return None
    code = status.error_code
    return StatusUpdate(delivery, state, status.message_key, None if code is None else clamp_code(code))


def count_billed(statuses: Iterable[DeliveryStatus]) -> Counter[str]:
    """Return the number of delivered messages by Meta's category; a status that Meta repeats counts again.

    In an open chat Meta reports a message as read only; the price is with just one of the two statuses.
    """
    return Counter(
        status.pricing_category if status.pricing_category in BILLED_CATEGORIES else "other"
        for status in statuses
        if status.status in ("delivered", "read") and status.pricing_category
    )


async def withdraw(ledger: Ledger, ended: events.SubscriptionEnded) -> None:
    """Suppress everything that the subscription permitted, including queued deliveries, from the commit on."""
    await ledger.withdraw(Withdrawal(subscriber=ended.subscriber, sequence=ended.sequence, topic=ended.topic))


async def repeat_progress(ledger: Ledger, publish: Publish, accepted: events.NoticeAccepted) -> None:
    """Publish the progress of a broadcast again, for a system that has published the same event again.

    A broadcast that was cancelled before its first recipients has only its cancellation in the ledger; one whose notice
    is accepted for the first time has neither.
    """
    if accepted.broadcast is None:
        return
    progress = await ledger.get_progress(accepted.broadcast)
    if progress is not None:
        await publish(build_progress_event(progress))
    reason = progress.cancelled if progress else await ledger.get_cancellation(accepted.broadcast)
    if reason is not None:
        cancelled = events.BroadcastCancelled(
            broadcast=accepted.broadcast, source=accepted.source, notice=accepted.notice, reason=reason
        )
        await publish(cancelled)


async def locate_reaction(recipients: RecipientRepository, publish: Publish, event: events.ReactionReceived) -> None:
    """Publish the broadcast that a reaction refers to; ignore reactions to anything else, such as a reply."""
    candidates = [delivery_id(broadcast, event.subscriber) for broadcast in event.broadcasts]
    broadcast = await recipients.find_broadcast(candidates, event.about_key)
    if broadcast is not None:
        located = events.ReactionLocated(
            reaction=event.reaction, subscriber=event.subscriber, broadcast=broadcast, value=event.value, at=event.at
        )
        await publish(located)


async def apply_account_events(
    apply: Callable[[AccountReport, datetime], Awaitable[bool | None]], meter: Meter, message: AccountEvents
) -> None:
    """Apply account webhooks; `apply` returns whether a change lowered a limit, or None if it is not new."""
    for event in message.events:
        change = interpret_webhook(event.field, event.value)
        # By Meta's clock: the time of an ingress whose clock is slow might be earlier than that of a previous report.
        lowered = await apply(change, event.at or event.received_at) if change else False
        update = None if lowered is None else classify_update(event.field, event.value, change, lowered=lowered)
        meter.count("account_events", label=event.field if event.field in ACCOUNT_FIELDS else "other")
        if update is not None:
            meter.count("account_updates", label=update)
        _log.warning("account_event", field=event.field, change=change and change.update, update=update)
