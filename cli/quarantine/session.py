"""The items in quarantine, their replay, and one command's session with the explanation of its errors.

A replay parses an item with this version and publishes its events. It may be repeated: consumers recognise handled
events by their keys. They remember these for a limited time, so older events are left out.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar
from uuid import NAMESPACE_OID, uuid5

from cli.broker import explain_broker_error, suppress_driver_logs
from cli.output import Exit, fail
from cli.progress import build_bars
from cli.settings import QuarantineSettings, read_installation_settings
from cli.stacks import BROKER_URL
from services.ingress.webhook.addresses import Rules
from services.ingress.webhook.events import (
    GROUP_TYPES,
    Event,
    Ignored,
    ParsedWebhook,
    ProblemKind,
    encode_events,
    join_chunks,
)
from services.ingress.webhook.outbox import SOURCE
from services.ingress.webhook.translate import parse_webhook
from shared.amqp.connection import connect
from shared.amqp.inspection import BrowsedMessage, QueueBrowser, open_queue_browser
from shared.amqp.publisher import Publisher, open_publisher
from shared.amqp.topology import INBOUND, NOTICES_QUARANTINE, QUARANTINES
from shared.contracts.envelope import ContractError, decode, wrap_data
from shared.contracts.inbound import IdentityChange, InboundMessage, WebhookQuarantined
from shared.encryption import EncryptionError, KeyRing
from shared.outcome import DependencyUnavailable, Unroutable

# Shorter than the time for which subscriptions remembers handled messages.
MAX_AGE = timedelta(days=8)
NO_LIMIT = 1 << 62
NOTICE = "notice"
_FOREIGN = {Ignored.OTHER_NUMBER, Ignored.OTHER_ACCOUNT}
T = TypeVar("T")


def _fail_for_keys(problem: str) -> NoReturn:
    advice = (
        "Set KREISFUNK_ENCRYPTION_KEYS and KREISFUNK_INDEX_KEY, or KREISFUNK_SECRETS_DIR to the folder `quarantine` of"
        " your secrets. A key that was removed from the ring must be put back first."
    )
    fail(problem, advice, Exit.REJECTED)


class QuarantineItem(NamedTuple):
    """One message that could not be parsed. `kind` is its origin; `reason` names fields, never values.

    A `webhook` is one of Meta's, encrypted by the ingress. A rejected notice of the municipal `system` is public, so it
    is not encrypted.
    """

    queued: BrowsedMessage
    kind: str
    reason: str
    since: datetime | None
    size: int
    system: str = ""
    webhook: WebhookQuarantined | None = None

    @property
    def description(self) -> Mapping[str, object]:
        """Properties that are readable without a key."""
        properties = {name: getattr(self, name) for name in ("kind", "system", "since", "size", "reason")}
        return {"id": self.queued.message_id, **properties}

    def decrypt(self, ring: KeyRing | None) -> bytes:
        """Return the original bytes. Raises EncryptionError without the right key."""
        if self.webhook is None:
            return self.queued.body
        if ring is None:
            raise EncryptionError("no encryption key is set")
        return ring.decrypt(self.webhook.sealed, purpose="webhook")


def describe_message(queued: BrowsedMessage) -> QuarantineItem:
    if queued.queue == NOTICES_QUARANTINE:
        since, reason, system = (str(queued.headers.get(name, "")) for name in ("quarantined-at", "reason", "system"))
        return QuarantineItem(queued, NOTICE, reason, _read_time(since), len(queued.body), system=system)
    try:
        message = decode(queued.body)
    except ContractError:
        message = None
    if not isinstance(message, WebhookQuarantined):
        return QuarantineItem(queued, "unknown", "not a message of ours", None, len(queued.body))
    kind = f"webhook: {message.kind}"
    return QuarantineItem(queued, kind, message.reason, message.received_at, message.size, webhook=message)


def _read_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """Result of a replay; it is complete only without problems and without events that are too old."""

    published: int = 0
    ignored: int = 0
    too_old: int = 0
    problems: tuple[str, ...] = ()
    sent_back: bool = False

    @property
    def complete(self) -> bool:
        return not self.problems and not self.too_old


def select_unpublished(webhook: WebhookQuarantined, parsed: ParsedWebhook) -> Sequence[Event]:
    """Return the events that were not published before.

    Events published without a broken field are published again once the field can be parsed, except messages, whose
    text is not in the quarantined part.
    """
    if webhook.kind != ProblemKind.BROKEN_FIELD:
        return parsed.events
    if parsed.problems:
        return ()
    return [event for event in parsed.events if not isinstance(event, InboundMessage | IdentityChange)]


def is_too_old(event: Event, now: datetime) -> bool:
    """Return whether a consumer may have purged the event's key; the person may have decided again since."""
    match event:
        case InboundMessage(sent_at=time) | IdentityChange(at=time):
            return now - time > MAX_AGE
        case _:
            return False


@dataclass(frozen=True, kw_only=True)
class QuarantineSession:
    """The open quarantine queues and a publisher, while the command runs."""

    settings: QuarantineSettings
    queues: QueueBrowser
    publisher: Publisher

    async def list_items(self, limit: int = NO_LIMIT) -> AsyncGenerator[QuarantineItem, None]:
        """Yield the oldest items, at most `limit`."""
        async with aclosing(self.queues.browse(limit)) as messages:
            async for message in messages:
                yield describe_message(message)

    async def find(self, prefix: str) -> QuarantineItem:
        """Return the item whose id begins with `prefix`; ends the command with status 3 unless there is exactly one."""
        items = [item async for item in self.list_items() if item.queued.message_id.startswith(prefix)]
        if len(items) != 1:
            problem = f"{len(items) or 'Nothing'} in quarantine has an id that begins with {prefix!r}."
            fail(problem, "`kreisfunk quarantine list` shows what is there.", Exit.REJECTED)
        return items[0]

    async def find_and_decrypt(self, prefix: str) -> tuple[QuarantineItem, bytes]:
        """Return the item and its original bytes; ends the command with status 3 without the item or the right key."""
        item = await self.find(prefix)
        try:
            return item, item.decrypt(self.settings.ring)
        except EncryptionError as error:
            _fail_for_keys(f"It is encrypted, and {error}.")

    async def replay(self, selection: str | None) -> list[tuple[str, ReplayResult]]:
        """Publish each selected item, then remove it; unparsable items stay. Return the results by id."""
        async with aclosing(self._select_items(selection)) as items:
            return [(item.queued.message_id, await self._replay_item(item)) async for item in items]

    async def _replay_item(self, item: QuarantineItem) -> ReplayResult:
        if item.kind == NOTICE:
            await item.queued.send_back()
            return ReplayResult(sent_back=True)
        if not item.webhook:
            return ReplayResult(problems=(item.reason,))
        outcome = await self._replay_webhook(item, item.webhook, datetime.now(UTC))
        if outcome.complete:
            await item.queued.remove()
        return outcome

    async def drop(self, selection: str | None) -> int:
        """Remove the selected items and return their number."""
        dropped = 0
        async with aclosing(self._select_items(selection)) as items:
            async for item in items:
                await item.queued.remove()
                dropped += 1
        return dropped

    async def _select_items(self, selection: str | None) -> AsyncGenerator[QuarantineItem, None]:
        """Yield the item whose id begins with `selection`, or all items if that is None."""
        if selection is not None:
            yield await self.find(selection)
            return
        # Items that arrive meanwhile wait for the next run.
        total = await self.queues.count()
        with build_bars(transient=True) as bars:
            task = bars.add_task("quarantine", total=total)
            async for item in self.list_items(total):
                yield item
                bars.advance(task)

    async def _replay_webhook(self, item: QuarantineItem, webhook: WebhookQuarantined, now: datetime) -> ReplayResult:
        """Publish the events of the item's webhook that can be parsed now; every publish is confirmed.

        Raises BrokerUnavailable or Unroutable; then repeat it.
        """
        rules = self._build_rules(webhook)
        try:
            plain = item.decrypt(self.settings.ring)
        except EncryptionError as error:
            return ReplayResult(problems=(f"it is encrypted, and {error}",))
        parsed = parse_webhook(plain, rules)
        unpublished = select_unpublished(webhook, parsed)
        fresh = [event for event in unpublished if not is_too_old(event, now)]
        chunks = [(kind, chunk) for kind, chunks in encode_events(fresh).items() for chunk in chunks]
        for number, (kind, chunk) in enumerate(chunks):
            message, identifier = GROUP_TYPES[kind], str(uuid5(NAMESPACE_OID, f"{item.queued.message_id}/{number}"))
            body = wrap_data(message, join_chunks(kind, [chunk]), event_id=identifier, source=SOURCE, time=now)
            await self.publisher.publish(INBOUND, message.KEY, body, message_id=identifier)
        problems = [problem.reason for problem in parsed.problems]
        if (
            parsed.ignored and not parsed.events and _FOREIGN.issuperset(parsed.ignored)
        ):  # the ingress thought otherwise
            problems.append("it is for another number: are KREISFUNK_PHONE_NUMBER_ID and KREISFUNK_WABA_ID right?")
        return ReplayResult(
            published=len(fresh),
            ignored=len(parsed.ignored),
            too_old=len(unpublished) - len(fresh),
            problems=tuple(problems),
        )

    def _build_rules(self, webhook: WebhookQuarantined) -> Rules:
        settings = self.settings
        if settings.ring is None or settings.index is None or settings.phone_number_id is None:
            _fail_for_keys("Replaying needs encryption keys, index key and phone number id.")
        return Rules(
            phone_number_id=settings.phone_number_id,
            account_id=settings.waba_id,
            received_at=webhook.received_at,
            encrypt=settings.ring.encrypt,
            index=settings.index,
        )


def run_session(stack: Path | None, act: Callable[[QuarantineSession], Awaitable[T]]) -> T:
    """Return the result of `act`; ends the command if the quarantine cannot be reached or decrypted."""
    suppress_driver_logs()
    settings = read_installation_settings(QuarantineSettings, stack, BROKER_URL, lambda local: local.quarantine)

    async def run() -> T:
        async with (
            connect(settings.broker_url, password=settings.broker_secret, name="quarantine") as connection,
            open_publisher(connection) as publisher,
            open_queue_browser(connection, QUARANTINES) as queues,
        ):
            return await act(QuarantineSession(settings=settings, queues=queues, publisher=publisher))

    try:
        return asyncio.run(run())
    except Unroutable as error:
        fail(str(error), "Nothing was removed.", Exit.UNAVAILABLE)
    except DependencyUnavailable as error:
        fail(f"Broker: {error}", explain_broker_error(error), Exit.UNAVAILABLE)
