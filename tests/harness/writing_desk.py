"""What editors do in their browsers, by the forms that the pages show."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from shared.contracts.hours import LOCAL_ZONE
from tests.harness.newsroom import EditorBrowser, ShownPage

_PUBLISHED = """
    select id, body ->> 'source' as source, body ->> 'subject' as subject from newsroom.publication where draft = $1
"""


def format_local(moment: datetime) -> str:
    """As a browser's field of date and time says it."""
    return moment.astimezone(LOCAL_ZONE).strftime("%Y-%m-%dT%H:%M")


def build_fields(**changes: Any) -> dict[str, object]:
    """A notice that breaks no rule."""
    return {
        "topic": "strassensperrungen",
        "headline": "K 9 gesperrt",
        "text": "Die Umleitung ist ausgeschildert.",
        "link": "",
        "picture": "",
        "expires_at": format_local(datetime.now(UTC) + timedelta(days=1)),
        "scheduled_at": "",
        "fields": "1",
        **changes,
    }


@dataclass(frozen=True, kw_only=True)
class WritingDesk:
    """Somebody at work."""

    browser: EditorBrowser

    async def read(self, path: str) -> str:
        """What the page at this path says."""
        return await self.browser.read(path)

    async def begin(self, **changes: Any) -> str:
        """The path of a new draft that is saved once: version 2."""
        begun = await self.browser.fill_in("/entwuerfe", "/entwuerfe")
        assert begun.status == 303, begun.text
        saved = await self.save(begun.location, **changes)
        assert saved.status == 303, saved.text
        return begun.location

    async def save(self, path: str, *, version: str = "", **changes: Any) -> ShownPage:
        shown = await self.browser.open(f"{path}?bearbeiten=1")
        seen = version or shown.read_value("version")
        return await self.browser.send(path, {**build_fields(**changes), "version": seen}, csrf=shown.csrf)

    async def act(self, path: str, name: str, fields: Mapping[str, object] | None = None) -> ShownPage:
        """Press a button that the check page may or may not show."""
        shown = await self.browser.open(f"{path}/pruefung")
        version = shown.read_value("version") if 'name="version"' in shown.text else "0"
        return await self.send(path, name, version, fields, csrf=shown.csrf)

    async def send(
        self, path: str, name: str, version: object, fields: Mapping[str, object] | None = None, *, csrf: str = ""
    ) -> ShownPage:
        """Send the form of a button, whether a page shows it or not."""
        csrf = csrf or (await self.browser.open("/entwuerfe")).csrf
        return await self.browser.send(f"{path}/{name}", {"version": version, **(fields or {})}, csrf=csrf)

    async def begin_from(self, path: str, act: str) -> str:
        """The path of the draft that a correction, a copy or a follow-up of a published one begins with."""
        return (await self.send(path, act, 2)).location.partition("?")[0]

    async def publish(self, approver: "WritingDesk", path: str = "", **changes: Any) -> str:
        """The path of the draft, or of a new one, that another person has approved."""
        path = path or await self.begin(**changes)
        await self.act(path, "einreichen")
        await approver.act(path, "freigeben")
        assert (await self.act(path, "veroeffentlichen")).status == 303
        return path

    async def publish_in_emergency(self, path: str = "", reason: str = "Bombenfund", **changes: Any) -> str:
        """The path of the draft, or of a new one, that nobody was asked about."""
        path = path or await self.begin(urgent="1", **changes)
        assert (await self.send(path, "notfall", 2, {"reason": reason})).status == 303
        return path

    async def withdraw(self, path: str, reason: str = "Fällt aus.") -> str:
        """The path of the withdrawal of what the draft became."""
        return (await self.send(path, "zurueckziehen", 2, {"reason": reason})).location


def parse_draft_id(path: str) -> UUID:
    """The id of the draft that the path leads to."""
    return UUID(path.split("/")[2])


def cut_section(page: str, heading: str) -> str:
    """What the page says below this heading."""
    return page.split(f">{heading}</h2>")[1].split("<h2")[0]


async def read_state(owner: asyncpg.Connection, path: str) -> tuple[str, int]:
    """State and version of the draft."""
    row = await owner.fetchrow("select state, version from newsroom.draft where id = $1", parse_draft_id(path))
    assert row is not None
    return row["state"], row["version"]


async def count_publications(owner: asyncpg.Connection, path: str) -> int:
    """How often the draft was published."""
    count = "select count(*) from newsroom.publication where draft = $1"
    return int(await owner.fetchval(count, parse_draft_id(path)))


async def add_broadcast(owner: asyncpg.Connection, **changes: object) -> UUID:
    """A broadcast, as events would have told of it."""
    values: dict[str, object] = {
        "id": uuid4(),
        "source": "/landkreis-osterholz/pressestelle",
        "notice": "n-1",
        "revision": 1,
        "topic": "strassensperrungen",
        "headline": "K 9 gesperrt",
        "lane": "bulk",
        "audience": 10,
        "states": '{"waiting": 4, "delivered": 6}',
        "accepted_at": datetime.now(UTC),
        "started_at": datetime.now(UTC),
        **changes,
    }
    places = ", ".join(f"${number + 1}" for number in range(len(values)))
    await owner.execute(
        f"insert into newsroom.broadcast ({', '.join(values)}) values ({places})",  # noqa: S608 - names from above
        *values.values(),
    )
    identifier = values["id"]
    assert isinstance(identifier, UUID)
    return identifier


async def become_broadcast(owner: asyncpg.Connection, path: str, **changes: object) -> UUID:
    """The broadcast that the published draft became, as events would have told of it."""
    row = await owner.fetchrow(_PUBLISHED, parse_draft_id(path))
    assert row is not None
    broadcast = await add_broadcast(owner, source=row["source"], notice=row["subject"], **changes)
    await owner.execute("update newsroom.publication set broadcast = $2 where id = $1", row["id"], broadcast)
    return broadcast
