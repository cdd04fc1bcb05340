"""One command at the quarantine: connect, look, and say in plain words what kept us from it."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, TypeVar

from rich.progress import Progress

from cli.broker import away_advice, silence_drivers
from cli.output import EXIT_AWAY, EXIT_REJECTED, console, fail
from cli.quarantine.items import Item, NotOpened, QuarantinedWebhook, RejectedNotice, item_of
from cli.quarantine.replay import Replayed, Replayer
from cli.quarantine.settings import Settings, quarantine_settings
from cli.stacks import find_stack
from shared.amqp.connection import connect
from shared.amqp.kept import KeptQueues, open_kept
from shared.amqp.publisher import Publisher, open_publisher
from shared.amqp.topology import QUARANTINES
from shared.outcome import DependencyAway, Unroutable

ALL = "*"
NO_LIMIT = 1 << 62
T = TypeVar("T")


class NotThere(Exception):
    """Nothing, or more than one thing, has this id; the text says which."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What is kept, in hand for as long as the command runs."""

    settings: Settings
    queues: KeptQueues
    publisher: Publisher

    async def items(self, most: int = NO_LIMIT) -> AsyncGenerator[Item, None]:
        """The oldest so many."""
        async with aclosing(self.queues.messages(most)) as messages:
            async for kept in messages:
                yield item_of(kept)

    async def find(self, beginning: str) -> Item:
        """The one whose id begins so. Raises NotThere."""
        found = [item async for item in self.items() if item.kept.message_id.startswith(beginning)]
        if len(found) != 1:
            raise NotThere(f"{len(found) or 'Nothing'} in quarantine has an id that begins with {beginning!r}.")
        return found[0]

    async def replay(self, selection: str) -> AsyncGenerator[tuple[str, Replayed], None]:
        """Each that is selected: published and confirmed first, removed then. Raises NotThere, NotOpened."""
        async with aclosing(self._selected(selection)) as items:
            async for item in items:
                if isinstance(item, RejectedNotice):
                    await item.kept.send_back()
                    yield item.kept.message_id, Replayed(sent_back=True)
                elif isinstance(item, QuarantinedWebhook):
                    yield item.kept.message_id, await self._replay(item)

    async def _replay(self, webhook: QuarantinedWebhook) -> Replayed:
        outcome = await self._replayer().replay(webhook, datetime.now(UTC))
        if outcome.complete:
            await webhook.kept.remove()
        return outcome

    async def drop(self, selection: str) -> int:
        """How many were removed. Raises NotThere."""
        dropped = 0
        async with aclosing(self._selected(selection)) as items:
            async for item in items:
                await item.kept.remove()
                dropped += 1
        return dropped

    async def _selected(self, selection: str) -> AsyncGenerator[Item, None]:
        if selection != ALL:
            yield await self.find(selection)
            return
        # What comes while we work is for the next time.
        total = await self.queues.count()
        with Progress(console=console, disable=not console.is_terminal, transient=True) as bars:
            task = bars.add_task("quarantine", total=total)
            async for item in self.items(total):
                yield item
                bars.advance(task)

    def _replayer(self) -> Replayer:
        settings = self.settings
        if settings.ring is None or settings.index is None or settings.phone_number_id is None:
            raise NotOpened("To send again, sealing keys, index key and phone number id are needed.")
        return Replayer(
            publisher=self.publisher,
            ring=settings.ring,
            index=settings.index,
            phone_number_id=settings.phone_number_id,
            account_id=settings.waba_id,
        )


def at_the_desk(stack: Path | None, act: Callable[[Desk], Awaitable[T]]) -> T:
    """What `act` finds; ends the command if the quarantine cannot be reached or opened."""
    silence_drivers()
    settings = quarantine_settings(find_stack(stack, os.environ), os.environ)
    try:
        return asyncio.run(_act(settings, act))
    except DependencyAway as error:
        fail(f"Broker: {error}", away_advice(error), EXIT_AWAY)
    except Unroutable as error:
        fail(str(error), "Nothing was removed.", EXIT_AWAY)
    except NotThere as error:
        fail(str(error), "`kreisfunk quarantine list` shows what is there.", EXIT_REJECTED)
    except NotOpened as error:
        _fail_closed(error)


def _fail_closed(error: NotOpened) -> NoReturn:
    fail(
        str(error),
        "Set KREISFUNK_SEALING_KEYS and KREISFUNK_INDEX_KEY, or KREISFUNK_SECRETS_DIR to the folder `quarantine` of "
        "your secrets. A key that was taken out of the ring has to be put back first.",
        EXIT_REJECTED,
    )


async def _act(settings: Settings, act: Callable[[Desk], Awaitable[T]]) -> T:
    async with (
        connect(settings.broker_url, password=settings.broker_secret, name="quarantine") as connection,
        open_publisher(connection) as publisher,
        open_kept(connection, QUARANTINES) as queues,
    ):
        return await act(Desk(settings=settings, queues=queues, publisher=publisher))
