"""Actions of editors in their browsers, through the forms on the pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from shared.contracts.hours import LOCAL_ZONE
from tests.databases import insert_row
from tests.harness.newsroom import EditorBrowser, ShownPage

_PUBLISHED = """
    select id, body ->> 'source' as source, body ->> 'subject' as subject from newsroom.publication where draft = $1
"""


def format_local(moment: datetime) -> str:
    """Format a time like a browser's date and time field."""
    return moment.astimezone(LOCAL_ZONE).strftime("%Y-%m-%dT%H:%M")


def build_fields(**changes: Any) -> dict[str, object]:
    """Return the fields of a notice that breaks no rule."""
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
class WritingHarness:
    browser: EditorBrowser

    async def read(self, path: str) -> str:
        return await self.browser.read(path)

    async def begin(self, **changes: Any) -> str:
        """Begin a draft and save it once, as version 2; return its path."""
        draft = await self.browser.fill_in("/entwuerfe", "/entwuerfe")
        assert draft.status == 303, draft.text
        response = await self.save(draft.location, **changes)
        assert response.status == 303, response.text
        return draft.location

    async def save(self, path: str, *, version: str = "", **changes: Any) -> ShownPage:
        page = await self.browser.open(f"{path}?bearbeiten=1")
        version = version or page.read_value("version")
        return await self.browser.send(path, {**build_fields(**changes), "version": version}, csrf=page.csrf)

    async def act(self, path: str, name: str, fields: Mapping[str, object] | None = None) -> ShownPage:
        """Press a button of the check page, whether it shows the button or not."""
        page = await self.browser.open(f"{path}/pruefung")
        version = page.read_value("version") if 'name="version"' in page.text else "0"
        return await self.send(path, name, version, fields, csrf=page.csrf)

    async def send(
        self, path: str, name: str, version: object, fields: Mapping[str, object] | None = None, *, csrf: str = ""
    ) -> ShownPage:
        """Send the form of a button, whether a page shows it or not."""
        csrf = csrf or (await self.browser.open("/entwuerfe")).csrf
        return await self.browser.send(f"{path}/{name}", {"version": version, **(fields or {})}, csrf=csrf)

    async def begin_from(self, path: str, act: str) -> str:
        """Begin a correction, copy or follow-up of a published draft; return the path of the new one."""
        return (await self.send(path, act, 2)).location.partition("?")[0]

    async def publish(self, approver: "WritingHarness", path: str = "", **changes: Any) -> str:
        """Publish the draft, or a new one, with another person's approval; return its path."""
        path = path or await self.begin(**changes)
        await self.act(path, "einreichen")
        await approver.act(path, "freigeben")
        assert (await self.act(path, "veroeffentlichen")).status == 303
        return path

    async def publish_in_emergency(self, path: str = "", reason: str = "Bombenfund", **changes: Any) -> str:
        """Publish the draft, or a new one, without approval; return its path."""
        path = path or await self.begin(urgent="1", **changes)
        assert (await self.send(path, "notfall", 2, {"reason": reason})).status == 303
        return path

    async def withdraw(self, path: str, reason: str = "Fällt aus.") -> str:
        """Withdraw the published draft; return the path of the withdrawal."""
        return (await self.send(path, "zurueckziehen", 2, {"reason": reason})).location


def parse_draft_id(path: str) -> UUID:
    return UUID(path.split("/")[2])


def cut_section(page: str, heading: str) -> str:
    """Return the part of the page below this heading."""
    return page.split(f">{heading}</h2>")[1].split("<h2")[0]


async def read_state(owner: asyncpg.Connection, path: str) -> tuple[str, int]:
    """Return state and version of the draft."""
    row = await owner.fetchrow("select state, version from newsroom.draft where id = $1", parse_draft_id(path))
    assert row is not None
    return row["state"], row["version"]


async def count_publications(owner: asyncpg.Connection, path: str) -> int:
    """Return how often the draft was published."""
    count = "select count(*) from newsroom.publication where draft = $1"
    return int(await owner.fetchval(count, parse_draft_id(path)))


async def add_broadcast(owner: asyncpg.Connection, **changes: object) -> UUID:
    """Add a broadcast, as the newsroom stores it from events."""
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
    await insert_row(owner, "newsroom.broadcast", values)
    identifier = values["id"]
    assert isinstance(identifier, UUID)
    return identifier


async def become_broadcast(owner: asyncpg.Connection, path: str, **changes: object) -> UUID:
    """Add the broadcast of a published draft, as the newsroom stores it from events."""
    row = await owner.fetchrow(_PUBLISHED, parse_draft_id(path))
    assert row is not None
    broadcast = await add_broadcast(owner, source=row["source"], notice=row["subject"], **changes)
    await owner.execute("update newsroom.publication set broadcast = $2 where id = $1", row["id"], broadcast)
    return broadcast
