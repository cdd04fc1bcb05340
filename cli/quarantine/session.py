"""One command's session with the quarantine, and the explanation of its errors."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from rich.progress import Progress

from cli.broker import explain_broker_error, suppress_driver_logs
from cli.output import EXIT_REJECTED, EXIT_UNAVAILABLE, console, fail
from cli.quarantine.command import ALL
from cli.quarantine.items import CannotDecryptError, QuarantineItem, describe_message
from cli.quarantine.replay import Replayer, ReplayResult
from cli.settings import QuarantineSettings, read_installation_settings
from cli.stacks import BROKER_URL
from shared.amqp.connection import connect
from shared.amqp.inspection import QueueBrowser, open_queue_browser
from shared.amqp.publisher import Publisher, open_publisher
from shared.amqp.topology import QUARANTINES
from shared.outcome import DependencyUnavailable, Unroutable

NO_LIMIT = 1 << 62
T = TypeVar("T")
_KEYS_ADVICE = (
    "Set KREISFUNK_ENCRYPTION_KEYS and KREISFUNK_INDEX_KEY, or KREISFUNK_SECRETS_DIR to the folder `quarantine` of your"
    " secrets. A key that was taken out of the ring has to be put back first."
)


class ItemNotFound(Exception):
    """No item, or more than one, has this id; the text says which."""


@dataclass(frozen=True, kw_only=True)
class QuarantineSession:
    """The open quarantine queues and a publisher, for as long as the command runs."""

    settings: QuarantineSettings
    queues: QueueBrowser
    publisher: Publisher

    async def list_items(self, most: int = NO_LIMIT) -> AsyncGenerator[QuarantineItem, None]:
        """Yield the oldest items, at most `most`."""
        async with aclosing(self.queues.browse(most)) as messages:
            async for kept in messages:
                yield describe_message(kept)

    async def find(self, beginning: str) -> QuarantineItem:
        """Return the item whose id begins with `beginning`. Raises ItemNotFound."""
        found = [item async for item in self.list_items() if item.queued.message_id.startswith(beginning)]
        if len(found) != 1:
            raise ItemNotFound(f"{len(found) or 'Nothing'} in quarantine has an id that begins with {beginning!r}.")
        return found[0]

    async def replay(self, selection: str) -> AsyncGenerator[tuple[str, ReplayResult], None]:
        """Publish each selected item, then remove it. Raises ItemNotFound, CannotDecryptError."""
        async with aclosing(self._select_items(selection)) as items:
            async for item in items:
                if item.is_notice:
                    await item.queued.send_back()
                    yield item.queued.message_id, ReplayResult(sent_back=True)
                elif item.webhook:
                    outcome = await self._build_replayer().replay(item, item.webhook, datetime.now(UTC))
                    if outcome.complete:
                        await item.queued.remove()
                    yield item.queued.message_id, outcome

    async def drop(self, selection: str) -> int:
        """Remove the selected items and return their number. Raises ItemNotFound."""
        dropped = 0
        async with aclosing(self._select_items(selection)) as items:
            async for item in items:
                await item.queued.remove()
                dropped += 1
        return dropped

    async def _select_items(self, selection: str) -> AsyncGenerator[QuarantineItem, None]:
        if selection != ALL:
            yield await self.find(selection)
            return
        # Items that arrive meanwhile are left for the next run.
        total = await self.queues.count()
        with Progress(console=console, disable=not console.is_terminal, transient=True) as bars:
            task = bars.add_task("quarantine", total=total)
            async for item in self.list_items(total):
                yield item
                bars.advance(task)

    def _build_replayer(self) -> Replayer:
        settings = self.settings
        if settings.ring is None or settings.index is None or settings.phone_number_id is None:
            raise CannotDecryptError("To send again, sealing keys, index key and phone number id are needed.")
        return Replayer(
            publisher=self.publisher,
            ring=settings.ring,
            index=settings.index,
            phone_number_id=settings.phone_number_id,
            account_id=settings.waba_id,
        )


def run_session(stack: Path | None, act: Callable[[QuarantineSession], Awaitable[T]]) -> T:
    """Return the result of `act`; ends the command if the quarantine cannot be reached or decrypted."""
    suppress_driver_logs()
    settings = read_installation_settings(QuarantineSettings, stack, BROKER_URL, lambda one: one.addresses.quarantine)
    try:
        return asyncio.run(_run_with_connection(settings, act))
    except DependencyUnavailable as error:
        fail(f"Broker: {error}", explain_broker_error(error), EXIT_UNAVAILABLE)
    except Unroutable as error:
        fail(str(error), "Nothing was removed.", EXIT_UNAVAILABLE)
    except ItemNotFound as error:
        fail(str(error), "`kreisfunk quarantine list` shows what is there.", EXIT_REJECTED)
    except CannotDecryptError as error:
        fail(str(error), _KEYS_ADVICE, EXIT_REJECTED)


async def _run_with_connection(settings: QuarantineSettings, act: Callable[[QuarantineSession], Awaitable[T]]) -> T:
    async with (
        connect(settings.broker_url, password=settings.broker_secret, name="quarantine") as connection,
        open_publisher(connection) as publisher,
        open_queue_browser(connection, QUARANTINES) as queues,
    ):
        return await act(QuarantineSession(settings=settings, queues=queues, publisher=publisher))
