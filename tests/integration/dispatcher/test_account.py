"""Account webhooks change the ledger once, in the order in which Meta said them; on a real PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import pytest

from services.dispatcher.adapters.account import PostgresAccount
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.account import AccountUpdate
from services.dispatcher.handlers.consumers import AccountHandler
from services.dispatcher.ports import Meter
from shared.contracts.envelope import encode
from shared.contracts.inbound import AccountEvent, AccountEvents
from shared.database.pool import Database as Pool
from shared.outcome import Done
from tests.databases import FreshDatabase
from tests.integration.dispatcher.conftest import NUMBER

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TEMPLATE = "message_template_status_update"
CAPABILITY = "business_capability_update"


def template(event: str, language: str = "de") -> dict[str, Any]:
    return {"event": event, "message_template_name": "t", "message_template_language": language}


def people(limit: object) -> dict[str, Any]:
    return {"max_daily_conversations_per_business": limit}


async def operator_does(database: FreshDatabase, statement: str) -> None:
    connection = await asyncpg.connect(database.build_role_url("kreisfunk_operator"))
    await connection.execute(statement)
    await connection.close()


class Account:
    """An account of which Meta says something, `minutes` after noon; `later` is how much later it arrives."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.seen: list[str] = []
        self.news: list[str | None] = []
        self._handler = AccountHandler(apply=PostgresAccount(pool, number=NUMBER).apply, meter=cast(Meter, self))

    def count(self, name: str, *, label: str) -> None:
        """As a meter: an event is counted first, and then what is new in it."""
        if name == "account_events":
            self.seen.append(label)
            self.news.append(None)
        else:
            self.news[-1] = label

    async def says(self, field: str, value: dict[str, Any], *, minutes: int, later: int = 0) -> None:
        at = NOW + timedelta(minutes=minutes)
        event = AccountEvent(field=field, value=value, at=at, received_at=at + timedelta(minutes=later))
        body = encode(AccountEvents(events=(event,)), event_id="1", source="/kreisfunk/ingress", time=at)
        assert await self._handler.handle(body) == Done()

    async def read(self, statement: str) -> Any:
        async with self._pool.connection() as connection:
            return await connection.fetchval(statement)

    async def holds(self) -> list[str]:
        return list(await self.read("select coalesce(array_agg(template), '{}') from dispatcher.template_pause"))

    async def people(self) -> Any:
        return await self.read("select people_a_day from dispatcher.rate")

    async def held(self) -> Any:
        return await self.read("select paused_reason from dispatcher.rate")

    async def starts(self, people_per_day: int | None) -> None:
        """A dispatcher with this setting."""
        await PostgresRateLimiter(self._pool, NUMBER, 100, people_per_day).set_up()


@pytest.fixture
async def account(pool: Pool) -> Account:
    account = Account(pool)
    await account.starts(250)
    return account


async def test_what_meta_says_last_counts_whatever_the_clock_of_the_ingress_says(account: Account) -> None:
    await account.says(TEMPLATE, template("PAUSED"), minutes=0)
    await account.says(TEMPLATE, template("APPROVED"), minutes=30, later=-60)
    assert await account.holds() == []


async def test_a_report_from_the_future_does_not_hide_the_next_one(account: Account) -> None:
    await account.says(TEMPLATE, template("PAUSED"), minutes=60 * 24 * 365 * 10)
    since = (datetime.now(UTC) - NOW) // timedelta(minutes=1) + 1
    await account.says(TEMPLATE, template("APPROVED"), minutes=since)
    assert await account.holds() == []


async def test_a_paused_template_is_held_until_it_is_approved_again(account: Account) -> None:
    await account.says(TEMPLATE, template("PAUSED"), minutes=0)
    assert await account.holds() == ["t/de"]
    await account.says(TEMPLATE, template("APPROVED"), minutes=1)
    assert await account.holds() == []


async def test_a_template_is_held_and_released_in_its_own_language(account: Account) -> None:
    await account.says(TEMPLATE, template("REJECTED", "en_US"), minutes=0)
    assert await account.holds() == ["t/en_US"]
    await account.says(TEMPLATE, template("PAUSED", "de"), minutes=1)
    await account.says(TEMPLATE, template("APPROVED", "en_US"), minutes=2)
    assert await account.holds() == ["t/de"]


@pytest.mark.parametrize("event", ["ACCOUNT_OFFBOARDED", "PARTNER_APP_UNINSTALLED"])
async def test_an_account_that_went_away_holds_the_sender_until_it_is_connected_again(
    account: Account, event: str
) -> None:
    await account.says("account_update", {"event": event}, minutes=0)
    assert await account.held() == f"Meta: {event}"
    await account.says("account_update", {"event": "ACCOUNT_RECONNECTED"}, minutes=1)
    assert await account.held() is None


async def test_of_each_template_the_newest_report_and_quality_are_kept(
    account: Account, database: FreshDatabase
) -> None:
    quality = "message_template_quality_update"
    await account.says(quality, {**template(""), "new_quality_score": "YELLOW"}, minutes=2)
    await account.says(quality, {**template(""), "new_quality_score": "GREEN"}, minutes=1, later=9)
    await account.says(quality, {**template("", "en_US"), "new_quality_score": "GREEN"}, minutes=3)
    await account.says(TEMPLATE, template("APPROVED"), minutes=0)
    await account.says(TEMPLATE, template("PAUSED"), minutes=4)
    await account.says(CAPABILITY, people(2_000), minutes=5)
    newsroom = await asyncpg.connect(database.build_role_url("kreisfunk_newsroom"))
    reports = await newsroom.fetch("select * from dispatcher.list_template_reports()")
    await newsroom.close()
    assert [tuple(report) for report in reports] == [
        ("t/de", "Meta: PAUSED", NOW + timedelta(minutes=4), "YELLOW", NOW + timedelta(minutes=2)),
        ("t/en_US", None, None, "GREEN", NOW + timedelta(minutes=3)),
    ]
    assert account.news[:3] == [AccountUpdate.QUALITY_LOW, None, AccountUpdate.OTHER]


async def test_a_field_that_meta_has_invented_since_is_counted_without_its_name(account: Account) -> None:
    await account.says("brand_new_update", {"event": "NEW"}, minutes=0)
    await account.says(CAPABILITY, people(250), minutes=1)
    assert account.seen == ["other", CAPABILITY]


async def test_what_meta_said_earlier_or_again_changes_nothing(account: Account) -> None:
    await account.says(TEMPLATE, template("PAUSED"), minutes=0)
    await account.says(TEMPLATE, template("APPROVED"), minutes=1)
    await account.says(TEMPLATE, template("PAUSED"), minutes=0, later=10)
    assert await account.holds() == []
    assert account.seen == [TEMPLATE] * 3

    await account.says(CAPABILITY, people(10_000), minutes=5)
    await account.says(CAPABILITY, people(2_000), minutes=4, later=60)
    assert await account.people() == 10_000


async def test_an_operators_release_is_not_undone_by_a_repeated_webhook(
    account: Account, database: FreshDatabase
) -> None:
    await account.says(TEMPLATE, template("PAUSED"), minutes=0)
    await operator_does(database, "select dispatcher.resume_template('t/de')")
    await account.says(TEMPLATE, template("PAUSED"), minutes=0, later=5)
    assert await account.holds() == []
    await account.says(TEMPLATE, template("PAUSED"), minutes=6)
    assert await account.holds() == ["t/de"]


async def test_two_things_said_in_the_same_second_both_count(account: Account) -> None:
    await account.says(TEMPLATE, template("PAUSED"), minutes=0)
    await account.says(TEMPLATE, template("APPROVED"), minutes=0)
    assert await account.holds() == []


@pytest.mark.parametrize("limit", [100, 2_000, 100_000])
async def test_a_limit_that_meta_changed_outlives_a_restart(account: Account, limit: int) -> None:
    await account.says(CAPABILITY, people(limit), minutes=0)
    await account.starts(250)
    assert await account.people() == limit


async def test_an_operator_hears_once_that_a_limit_is_lower_or_a_template_stopped(account: Account) -> None:
    await account.says(CAPABILITY, people(1_000), minutes=0)
    await account.says(CAPABILITY, people(2_000), minutes=1)
    await account.says(CAPABILITY, people(250), minutes=2)
    await account.says(CAPABILITY, people(250), minutes=2, later=30)
    await account.says(CAPABILITY, people(-1), minutes=3)
    await account.says(CAPABILITY, people(100_000), minutes=4)
    await account.says(TEMPLATE, template("PAUSED"), minutes=5)
    lowered, raised = AccountUpdate.LIMIT_LOWERED, AccountUpdate.LIMIT
    assert account.news == [raised, raised, lowered, None, raised, lowered, AccountUpdate.TEMPLATE_PAUSED]


async def test_an_unlimited_number_can_be_limited_again(account: Account) -> None:
    await account.says(CAPABILITY, people(-1), minutes=0)
    assert await account.people() is None
    await account.starts(250)
    assert await account.people() is None
    await account.says(CAPABILITY, people("TIER_2K"), minutes=1)
    assert await account.people() == 2_000


async def test_a_new_setting_replaces_what_meta_said(account: Account) -> None:
    await account.says(CAPABILITY, people(2_000), minutes=0)
    await account.starts(10_000)
    assert await account.people() == 10_000


async def test_without_a_setting_people_are_not_limited(account: Account) -> None:
    await account.starts(None)
    await account.says(CAPABILITY, people(2_000), minutes=0)
    assert await account.people() is None


async def test_a_disabled_account_holds_the_sender_until_it_is_reinstated(account: Account) -> None:
    await account.says(
        "account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}, minutes=0
    )
    assert await account.held() == "Meta: account disabled"
    await account.says(
        "account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}, minutes=1
    )
    assert await account.held() is None


async def test_a_hold_by_a_person_is_not_ended_by_meta(account: Account, database: FreshDatabase) -> None:
    await operator_does(database, "select dispatcher.pause_sending('exercise', null)")
    await account.says(
        "account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}, minutes=1
    )
    assert await account.held() == "exercise"
