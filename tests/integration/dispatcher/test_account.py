"""Account webhooks change the ledger once, in the order in which Meta said them; on a real PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresAccount
from services.dispatcher.domain.account import AccountUpdate
from services.dispatcher.handlers.consumers import apply_account_events
from services.dispatcher.ports import Meter
from shared.contracts.inbound import AccountEvent, AccountEvents
from tests.databases import FreshDatabase
from tests.integration.dispatcher.factories import NUMBER, limit
from tests.servers import connect_to_database

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TEMPLATE, QUALITY = "message_template_status_update", "message_template_quality_update"
CAPABILITY, SENDER = "business_capability_update", "account_update"
DISABLED = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}
REINSTATED = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}
# Event, language, minutes after noon, and how many minutes later it arrives; templates that are paused afterwards.
STORIES: dict[str, tuple[list[tuple[str, str, int, int]], list[str]]] = {
    "paused": ([("PAUSED", "de", 0, 0)], ["de"]),
    "approved again": ([("PAUSED", "de", 0, 0), ("APPROVED", "de", 1, 0)], []),
    "only in its own language": (
        [("REJECTED", "en_US", 0, 0), ("PAUSED", "de", 1, 0), ("APPROVED", "en_US", 2, 0)],
        ["de"],
    ),
    "whatever the clock of the ingress says": ([("PAUSED", "de", 0, 0), ("APPROVED", "de", 30, -60)], []),
    "said again": ([("PAUSED", "de", 0, 0), ("APPROVED", "de", 1, 0), ("PAUSED", "de", 0, 10)], []),
    "both in the same second": ([("PAUSED", "de", 0, 0), ("APPROVED", "de", 0, 0)], []),
}


def template(event: str, language: str = "de", name: str = "t") -> dict[str, Any]:
    return {"event": event, "message_template_name": name, "message_template_language": language}


def build_daily_limit(limit: object) -> dict[str, Any]:
    return {"max_daily_conversations_per_business": limit}


class Account:
    """An account of which Meta says something, `minutes` after noon; `later` is how much later it arrives."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self.ledger = ledger
        self.seen: list[str] = []
        self.updates: list[str | None] = []

    def count(self, name: str, *, label: str) -> None:
        """As a meter: an event is counted first, and then what is new in it."""
        if name == "account_events":
            self.seen.append(label)
            self.updates.append(None)
        else:
            self.updates[-1] = label

    async def says(self, field: str, value: dict[str, Any], *, minutes: int, later: int = 0) -> None:
        at = NOW + timedelta(minutes=minutes)
        event = AccountEvent(field=field, value=value, at=at, received_at=at + timedelta(minutes=later))
        apply = PostgresAccount(self.ledger.database, number=NUMBER).apply
        await apply_account_events(apply, cast(Meter, self), AccountEvents(events=(event,)))

    async def list_paused(self) -> list[str]:
        rows = await self.ledger.database.fetch("select template from dispatcher.template_pause order by template")
        return [row["template"] for row in rows]

    async def read_people_a_day(self) -> Any:
        return await self.ledger.database.fetchval("select people_a_day from dispatcher.rate")

    async def read_paused_reason(self) -> Any:
        return await self.ledger.database.fetchval("select paused_reason from dispatcher.rate")

    async def starts(self, people_per_day: int | None) -> None:
        """A dispatcher with this setting."""
        await limit(self.ledger, people=people_per_day)


@pytest.fixture
async def account(ledger: PostgresLedger) -> Account:
    account = Account(ledger)
    await account.starts(250)
    return account


async def test_a_template_is_paused_as_long_as_meta_last_said_that_it_is_stopped(account: Account) -> None:
    for name, (reports, paused) in STORIES.items():
        for event, language, minutes, later in reports:
            await account.says(TEMPLATE, template(event, language, name), minutes=minutes, later=later)
        found = [
            language for each in await account.list_paused() if (language := each.removeprefix(f"{name}/")) != each
        ]
        assert found == paused, name


async def test_a_report_from_the_future_does_not_hide_the_next_one(account: Account) -> None:
    await account.says(TEMPLATE, template("PAUSED"), minutes=60 * 24 * 365 * 10)
    since = (datetime.now(UTC) - NOW) // timedelta(minutes=1) + 1
    await account.says(TEMPLATE, template("APPROVED"), minutes=since)
    assert await account.list_paused() == []


async def test_an_account_that_is_away_pauses_the_sender_until_it_is_back(account: Account) -> None:
    await account.says(SENDER, DISABLED, minutes=0)
    assert await account.read_paused_reason() == "unser Konto ist von Meta gesperrt"
    await account.says(SENDER, REINSTATED, minutes=1)
    assert await account.read_paused_reason() is None


async def test_of_each_template_the_newest_report_and_quality_are_kept(
    account: Account, database: FreshDatabase
) -> None:
    await account.says(QUALITY, {**template(""), "new_quality_score": "YELLOW"}, minutes=2)
    await account.says(QUALITY, {**template(""), "new_quality_score": "GREEN"}, minutes=1, later=9)
    await account.says(QUALITY, {**template("", "en_US"), "new_quality_score": "GREEN"}, minutes=3)
    await account.says(TEMPLATE, template("APPROVED"), minutes=0)
    await account.says(TEMPLATE, template("PAUSED"), minutes=4)
    await account.says(CAPABILITY, build_daily_limit(2_000), minutes=5)
    async with connect_to_database(database.build_role_url("kreisfunk_newsroom")) as newsroom:
        reports = await newsroom.fetch("select * from dispatcher.list_template_reports()")
    assert [tuple(report) for report in reports] == [
        ("t/de", "von Meta angehalten", NOW + timedelta(minutes=4), "YELLOW", NOW + timedelta(minutes=2)),
        ("t/en_US", None, None, "GREEN", NOW + timedelta(minutes=3)),
    ]
    assert account.updates[:3] == [AccountUpdate.QUALITY_LOW, None, AccountUpdate.OTHER]


async def test_a_field_that_meta_has_invented_since_is_counted_without_its_name(account: Account) -> None:
    await account.says("brand_new_update", {"event": "NEW"}, minutes=0)
    await account.says(CAPABILITY, build_daily_limit(250), minutes=1)
    assert account.seen == ["other", CAPABILITY]


async def test_what_an_operator_resumed_is_not_paused_by_a_repeated_webhook(
    account: Account, operator: asyncpg.Connection
) -> None:
    await account.says(TEMPLATE, template("PAUSED"), minutes=0)
    await operator.execute("select dispatcher.resume_template('t/de')")
    await account.says(TEMPLATE, template("PAUSED"), minutes=0, later=5)
    assert await account.list_paused() == []
    await account.says(TEMPLATE, template("PAUSED"), minutes=6)
    assert await account.list_paused() == ["t/de"]


async def test_the_limit_is_what_meta_said_last_until_the_setting_changes(account: Account) -> None:
    for number, told in enumerate((100, 2_000, 100_000), 1):
        await account.says(CAPABILITY, build_daily_limit(told), minutes=number)
        await account.starts(250)
        assert await account.read_people_a_day() == told
    await account.says(CAPABILITY, build_daily_limit(500), minutes=1, later=60)
    assert await account.read_people_a_day() == 100_000
    await account.says(CAPABILITY, build_daily_limit(-1), minutes=5)
    await account.starts(250)
    assert await account.read_people_a_day() is None
    await account.says(CAPABILITY, build_daily_limit("TIER_2K"), minutes=6)
    assert await account.read_people_a_day() == 2_000
    await account.starts(10_000)
    assert await account.read_people_a_day() == 10_000
    await account.starts(None)
    await account.says(CAPABILITY, build_daily_limit(2_000), minutes=7)
    assert await account.read_people_a_day() is None


async def test_an_operator_hears_once_that_a_limit_is_lower_or_a_template_stopped(account: Account) -> None:
    await account.says(CAPABILITY, build_daily_limit(1_000), minutes=0)
    await account.says(CAPABILITY, build_daily_limit(2_000), minutes=1)
    await account.says(CAPABILITY, build_daily_limit(250), minutes=2)
    await account.says(CAPABILITY, build_daily_limit(250), minutes=2, later=30)
    await account.says(CAPABILITY, build_daily_limit(-1), minutes=3)
    await account.says(CAPABILITY, build_daily_limit(100_000), minutes=4)
    await account.says(TEMPLATE, template("PAUSED"), minutes=5)
    lowered, raised = AccountUpdate.LIMIT_LOWERED, AccountUpdate.LIMIT
    assert account.updates == [raised, raised, lowered, None, raised, lowered, AccountUpdate.TEMPLATE_PAUSED]
