"""The citizens of a running system: they write, wait, and look at their phones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import msgspec

from deploy.local.stack import Stack
from services.subscriptions.domain.publication import Publication
from shared.contracts.envelope import encode
from shared.contracts.message import Lane
from shared.contracts.notices import NoticePublished
from shared.encryption import BlindIndexKey
from tests.amqp_system import PRESS_SOURCE, build_amqp_system
from tests.servers import connect_to_database, wait_for

_publications = msgspec.msgpack.Decoder(tuple[Publication, ...])


@dataclass(frozen=True, kw_only=True)
class DialogueHarness:
    """`database` is the owner's connection: it sees everything. `before` is what was handled before the test."""

    stack: Stack
    session: aiohttp.ClientSession
    database: asyncpg.Connection
    before: int
    acts: list[int] = field(default_factory=lambda: [0])

    async def wait_for_acts(self, acts: int = 1) -> None:
        """So much was done just now; wait until it is answered or kept silent about."""
        self.acts[0] += acts
        await wait_for(lambda: self._is_answered(self.acts[0]))

    async def call(self, method: str, path: str, body: object = None) -> Any:
        url = f"{self.stack.simulator_url}/simulator/{path}"
        async with self.session.request(method, url, json=body) as response:
            response.raise_for_status()
            return await response.json() if response.content_length else None

    async def add_citizen(self, **sharing: int) -> "CitizenPhone":
        (phone,) = await self.add_citizens(1, **sharing)
        return phone

    async def add_citizens(self, count: int, **sharing: int) -> "list[CitizenPhone]":
        added = await self.call("POST", "citizens", {"count": count, **sharing})
        return [CitizenPhone(self, citizen["id"]) for citizen in added["citizens"]]

    async def _is_answered(self, acts: int) -> bool:
        """Whether this many acts since the beginning of the test were decided, and their answers sent."""
        rows = await self.database.fetch(
            "select publications from subscriptions.inbox order by handled_at offset $1", self.before
        )
        told = [publication for row in rows for publication in _publications.decode(row["publications"])]
        replies = [UUID(each.message_id) for each in told if each.key == Lane.REPLY]
        return len(rows) >= acts and await self._is_sent_to("id = any($1)", replies, len(replies))

    async def fetch_last_result(self) -> str:
        result: str = await self.database.fetchval(
            "select result from subscriptions.inbox order by handled_at desc limit 1"
        )
        return result

    async def _is_sent_to(self, which: str, argument: object, count: int) -> bool:
        left = f"select count(*) from dispatcher.delivery where {which} and state not in ('waiting', 'claimed')"  # noqa: S608
        found: int = await self.database.fetchval(left, argument)
        return found == count

    async def publish(self, headline: str, topic: str = "strassensperrungen", **changes: Any) -> None:
        """A notice from the press office; its broadcast is over when this returns."""
        notice = NoticePublished(topic=topic, headline=headline, text="Bis 18 Uhr.", **changes)
        subject, now = f"n-{uuid4()}", datetime.now(UTC)
        expiry = now + timedelta(hours=2)
        body = encode(notice, event_id=subject, source=PRESS_SOURCE, time=now, subject=subject, expirytime=expiry)
        await build_amqp_system(self.stack.publisher).publish(body)
        await wait_for(lambda: self._is_sent(subject))

    async def _is_sent(self, notice: str) -> bool:
        row = await self.database.fetchrow(
            "select id, state, audience from subscriptions.broadcast where notice = $1", notice
        )
        if row is None or row["state"] != "expanded":
            return False
        return await self._is_sent_to("source = $1", row["id"], row["audience"])

    def compute_index(self, kind: str, value: str) -> bytes:
        """The keyed hash of an address, as the ingress makes it."""
        text = (self.stack.folder / "secrets/ingress/kreisfunk_index_key").read_text()
        return BlindIndexKey.parse(text).compute_index(kind, value)

    async def dump(self) -> list[str]:
        """Every row of every table, as text."""
        tables = await self.database.fetch(
            "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
        )
        rows: list[str] = []
        for schema, table in tables:
            found = await self.database.fetch(f"select to_jsonb(t)::text from {schema}.{table} t")  # noqa: S608
            rows += [f"{schema}.{table} {row[0]}" for row in found]
        return rows


@dataclass(frozen=True)
class CitizenPhone:
    system: DialogueHarness
    id: int

    async def run_and_wait(self, **what: object) -> None:
        """Do something, and wait until the county has answered or kept silent."""
        await self.send(**what)
        await self.system.wait_for_acts()

    async def send(self, **what: object) -> None:
        await self.system.call("POST", f"citizens/{self.id}/messages", what)

    async def write(self, *texts: str) -> str:
        """The answer to the last text; empty if there was none."""
        for text in texts[:-1]:
            await self.run_and_wait(text=text)
        before = len(await self.fetch_received())
        await self.run_and_wait(text=texts[-1])
        if await self.system.fetch_last_result() == "erased":  # whose answer is forgotten as soon as it is published
            await wait_for(lambda: self._has_received(before + 1))
        new = (await self.fetch_received())[before:]
        assert len(new) <= 1, "one answer per event"
        return str(new[0]["text"]) if new else ""

    async def fetch_received(self) -> list[dict[str, Any]]:
        entries: Any = await self.system.call("GET", f"citizens/{self.id}/messages")
        return [entry for entry in entries["messages"] if entry["direction"] == "received"]

    async def _has_received(self, count: int) -> bool:
        return len(await self.fetch_received()) >= count

    async def list_broadcasts(self) -> list[str]:
        return [entry["text"] for entry in await self.fetch_received() if entry["template"]]

    async def list_buttons(self) -> dict[str, str]:
        """Of the newest message: title and id."""
        newest = (await self.fetch_received())[-1]
        return {button["title"]: button["id"] for button in newest["buttons"]}

    async def press(self, title: str) -> str:
        before = len(await self.fetch_received())
        await self.run_and_wait(button=(await self.list_buttons())[title])
        new = (await self.fetch_received())[before:]
        return str(new[0]["text"]) if new else ""

    async def fetch_identity(self) -> dict[str, Any]:
        listed = await self.system.call("GET", f"citizens?search=Telefon {self.id}&limit=1000")
        (mine,) = [citizen for citizen in listed["citizens"] if citizen["id"] == self.id]
        return dict(mine)


@asynccontextmanager
async def open_dialogue_harness(stack: Stack) -> AsyncIterator[DialogueHarness]:
    headers = {"Authorization": f"Bearer {stack.control_token}"}
    async with connect_to_database(stack.database_url) as database:
        # Whoever subscribed in another test would get everything here too, and soon more than WhatsApp allows.
        await database.execute("delete from subscriptions.subscription")
        before = await database.fetchval("select count(*) from subscriptions.inbox")
        async with aiohttp.ClientSession(headers=headers) as session:
            yield DialogueHarness(stack=stack, session=session, database=database, before=before)
