"""Runbooks followed word by word: a fault is produced, its alert fires, the page's own commands are run, it ends.

The commands are read from the pages. Faults that take a minute to be seen begin with the first test, and are mended by
the last ones.
"""

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.secrets import NOTICES_API_TOKEN
from shared.amqp import topology
from tests.e2e.monitoring.hurried_watch import ALERT_NAMES
from tests.e2e.monitoring.monitored_system import MonitoredSystem
from tests.e2e.monitoring.night_operator import NightOperator
from tests.e2e.monitoring.night_shift import NightShift, put_behind_a_firewall
from tests.harness.commands import run_in_process
from tests.proxy import UNDISTURBED_NETWORK
from tests.servers import fetch_until, wait_for

pytestmark = pytest.mark.timeout(600)

TEMPLATE = {"message_template_name": "kreisfunk_strassensperrungen_v1", "message_template_language": "de"}
ACCOUNT_LOCKED = {"reject_share": 1, "reject_code": 131031, "reject_status": 403}
INVALID_VALUE = {"reject_share": 1, "reject_code": 131009, "reject_status": 400}
NOBODY_READS = {"read_share": 0}  # somebody's reading would settle what is unknown
NO_ANSWER = {"timeout_share": 1, "timeout_accept_share": 0}
IDENTIFIER = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SLOW = "update dispatcher.rate set per_second = 5, changed_at = clock_timestamp()"
FAST = "update dispatcher.rate set per_second = ceiling, changed_at = clock_timestamp()"
NEARLY_FULL = 900
DEAD = topology.DISPATCHER_ACCOUNT.dead_letter_queue
REFUSE = """
    create function dispatcher.refuse() returns trigger language plpgsql
    as $$ begin raise check_violation using message = 'a test'; end $$;
    create trigger refuse before update on dispatcher.delivery for each row
    when (new.lane = 'reply' and new.state in ('accepted', 'sent', 'delivered', 'read'))
    execute function dispatcher.refuse()
"""
LOCK = "lock table newsroom.archive_entry, newsroom.inbox in access exclusive mode"
ALERTS_OF_META = (
    *("AccountStopped", "TemplateStopped", "AccountLimitLowered", "QualityLow", "TemplateCategoryChanged"),
    *("BulkStalled", "BroadcastBudgetBurnsFast", "BroadcastBudgetBurnsSlowly"),
    *("AnswerBudgetBurnsFast", "AnswerBudgetBurnsSlowly"),
)
GRANT_RETENTION = "grant delete on dispatcher.refusal to kreisfunk_dispatcher"
GRANT_PAGES = "grant insert on subscriptions.pending_page to kreisfunk_subscriptions"
REVOKE_PAGES = "revoke insert on subscriptions.pending_page from kreisfunk_subscriptions"
GRANT_FEEDBACK = "grant insert on subscriptions.feedback to kreisfunk_subscriptions"
DROP_SLOT = "select pg_drop_replication_slot(slot_name) from pg_replication_slots"


@pytest.fixture(scope="module")
async def shift(system: MonitoredSystem) -> AsyncIterator[NightShift]:
    database = await asyncpg.connect(system.stack.database_url)
    operator, citizens = NightOperator(system), await system.editors.simulator.add_citizens(110, bsuid_only=0)
    shift = NightShift(system=system, watch=system.watch, operator=operator, database=database, citizens=citizens)
    await system.watch.wait_for_end(*ALERT_NAMES)
    await shift.break_for_long()
    try:
        yield shift
    finally:
        shift.mend_feeds()
        await system.restart_feeds()
        await database.execute(f"{GRANT_RETENTION}; {GRANT_FEEDBACK}; {GRANT_PAGES}")
        await database.close()


async def test_meta_stops_account_and_template(shift: NightShift) -> None:
    """AccountStopped, TemplateStopped, AccountLimitLowered, QualityLow, TemplateCategoryChanged, BulkStalled,
    BroadcastBudgetBurnsFast, BroadcastBudgetBurnsSlowly, AnswerBudgetBurnsFast, AnswerBudgetBurnsSlowly.
    """
    system, watch, operator = shift.system, shift.watch, shift.operator
    # As a dispatcher with KREISFUNK_PEOPLE_PER_DAY sets it when it starts.
    await shift.database.execute("update dispatcher.rate set people_setting = 1000, people_a_day = 1000")
    await shift.say_as_meta(
        ("message_template_status_update", {**TEMPLATE, "event": "PAUSED"}),
        ("message_template_quality_update", {**TEMPLATE, "new_quality_score": "RED"}),
        ("template_category_update", {**TEMPLATE, "previous_category": "UTILITY", "new_category": "MARKETING"}),
        ("business_capability_update", {"max_daily_conversations_per_business": 250}),
    )
    await shift.publish("strassensperrungen")
    await watch.wait_for("TemplateStopped", "QualityLow", "TemplateCategoryChanged", "AccountLimitLowered")
    assert "von Meta angehalten" in await operator.look("TemplateStopped")
    assert "of 250" in await operator.look("AccountLimitLowered")
    await operator.look("QualityLow")
    assert "is APPROVED, UTILITY" in await operator.look("TemplateCategoryChanged")
    await watch.wait_for("BulkStalled")
    await operator.look("BulkStalled")

    await system.editors.simulator.set_faults(ACCOUNT_LOCKED)
    await shift.say_as_meta(("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}))
    await watch.wait_for("AccountStopped", "SendingPaused")
    assert "unser Konto ist von Meta gesperrt" in await operator.look("AccountStopped")
    await shift.publish("baustellen")
    await shift.write(15, "Hilfe")
    await watch.wait_for("BroadcastBudgetBurnsFast", "BroadcastBudgetBurnsSlowly", "LaneDelayed")
    await operator.look("BroadcastBudgetBurnsFast")

    await system.editors.simulator.set_faults({})
    await shift.say_as_meta(
        ("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}),
        ("business_capability_update", {"max_daily_conversations_per_business": -1}),
    )
    assert "resumed" in await operator.do("TemplateStopped", 1, TEMPLATE="kreisfunk_strassensperrungen_v1/de")
    await watch.wait_for("AnswerBudgetBurnsFast", "AnswerBudgetBurnsSlowly")
    await operator.look("AnswerBudgetBurnsFast")
    await watch.wait_for_end(*ALERTS_OF_META, "SendingPaused", "LaneDelayed")


async def test_meta_rejects_every_message_of_a_broadcast(shift: NightShift) -> None:
    """BroadcastStopped, AnswersRefused."""
    await shift.database.execute(SLOW)  # a busy machine could send all messages before the pause
    try:
        async with shift.system.set_faults(INVALID_VALUE):
            await shift.publish("strassensperrungen")
            await shift.watch.wait_for("BroadcastStopped")
            await shift.write(15, "Hilfe")
            await shift.watch.wait_for("AnswersRefused")
            assert '"code":131009' in await shift.operator.look("AnswersRefused")
    finally:
        await shift.database.execute(FAST)
    listed = await shift.system.run_kreisfunk("broadcasts", "list")
    [broadcast] = re.findall(rf"^({IDENTIFIER}) .+ paused ", listed, re.MULTILINE)
    assert " 131009 " in await shift.operator.look("BroadcastStopped", BROADCAST=broadcast)
    assert "sent again" in await shift.operator.do("BroadcastStopped", 2, BROADCAST=broadcast)
    await shift.watch.wait_for_end("BroadcastStopped", "AnswersRefused")


async def test_a_dispatcher_does_not_reach_meta(shift: NightShift) -> None:
    """MetaUnreachable."""
    async with put_behind_a_firewall(shift.system, "dispatcher-1") as network:
        await shift.write(12, "Hilfe")
        await shift.watch.wait_for("MetaUnreachable")
        seen = await shift.operator.look("MetaUnreachable")
        assert "Meta is not reachable since" in seen
        assert '"reason":"HTTP 403 that is not from Meta"' in seen
        network.set_conditions(UNDISTURBED_NETWORK)
        await shift.operator.do("MetaUnreachable")
        await shift.watch.wait_for_end("MetaUnreachable")


async def test_meta_does_not_answer(shift: NightShift) -> None:
    """OutcomesUnknown."""

    async def list_unanswered() -> list[str]:
        seen = await shift.operator.look("OutcomesUnknown")
        return re.findall(rf"^({IDENTIFIER}) .+ reply .+ no answer$", seen, re.MULTILINE)

    async with shift.system.set_faults(NO_ANSWER):
        await shift.write(1, "Hilfe")
        await shift.watch.wait_for("OutcomesUnknown")
        # What another test left unknown may have the alert fire before.
        delivery, *_ = await fetch_until(list_unanswered, bool)
    assert "resend: 1" in await shift.operator.do("OutcomesUnknown", 3, ID=delivery)
    await shift.watch.wait_for_end("OutcomesUnknown")
    # What another test had under way settles by itself.
    await fetch_until(lambda: shift.operator.look("OutcomesUnknown"), lambda seen: "nothing is unknown" in seen)


async def test_the_database_refuses_what_meta_says(shift: NightShift) -> None:
    """RowsRefused."""
    await shift.system.editors.simulator.set_faults(NOBODY_READS)
    await shift.change_ledger(REFUSE)
    try:
        await shift.write(1, "Hilfe")
        await shift.watch.wait_for("RowsRefused")
        refused = await shift.wait_for_refused()
    finally:
        await shift.change_ledger("drop function dispatcher.refuse cascade")

    async def are_listed() -> bool:
        return refused <= {*re.findall(IDENTIFIER, await shift.operator.do("RowsRefused", 1))}

    await wait_for(are_listed)
    settled = [await shift.operator.do("RowsRefused", 2, ID=delivery) for delivery in refused]
    assert all("accepted: 1" in each for each in settled)
    assert not await are_listed()
    await shift.system.editors.simulator.set_faults({})
    await shift.watch.wait_for_end("RowsRefused")


async def test_the_ledger_has_lost_a_recipient(shift: NightShift) -> None:
    """RecipientsUnaccounted."""
    change = "update dispatcher.broadcast set audience = audience + $2 where id = $1"
    broadcast = await shift.find_ended_broadcast()
    await shift.database.execute(change, broadcast, 1)
    try:
        await shift.watch.wait_for("RecipientsUnaccounted")
        assert str(broadcast) in await shift.operator.look("RecipientsUnaccounted")
        await shift.operator.do("RecipientsUnaccounted", 1)
        shown = await shift.operator.do("RecipientsUnaccounted", 2, ID=str(broadcast))
        assert re.search(r"^unaccounted +1 +report this", shown, re.MULTILINE)
    finally:
        await shift.database.execute(change, broadcast, -1)
    await shift.watch.wait_for_end("RecipientsUnaccounted")


async def test_the_broker_has_no_space(shift: NightShift) -> None:
    """DiskShort, BrokerAlarm."""
    rabbitmq = shift.system.stack.servers.rabbitmq
    await rabbitmq.run_rabbitmqctl("set_disk_free_limit", "100000GB")
    try:
        await shift.watch.wait_for("DiskShort", "BrokerAlarm")
        assert "Avail" in await shift.operator.look("DiskShort")
        seen = await shift.operator.look("BrokerAlarm")
        assert "subscriptions.inbound" in seen
        assert "Avail" in seen
    finally:
        await rabbitmq.run_rabbitmqctl("set_disk_free_limit", "100MB")
    await shift.watch.wait_for_end("DiskShort", "BrokerAlarm")


async def test_a_replica_of_the_database_never_comes_back(shift: NightShift) -> None:
    """DatabaseReplicaMissing."""
    await shift.database.execute("select pg_create_physical_replication_slot('postgres_3', true)")
    try:
        await shift.watch.wait_for("DatabaseReplicaMissing")
        seen = await shift.operator.look("DatabaseReplicaMissing")
        assert re.search(r"^ postgres_3 +\| f +\| \d+ ", seen, re.MULTILINE)
        await shift.operator.do("DatabaseReplicaMissing", 2, SLOT="postgres_3")
    finally:
        await shift.database.execute(f"{DROP_SLOT} where slot_name = 'postgres_3'")
    await shift.watch.wait_for_end("DatabaseReplicaMissing")


async def test_a_transaction_keeps_rows_from_being_frozen(shift: NightShift) -> None:
    """DatabaseTransactionAge, whose 500 million transactions nobody waits for here."""
    report = await asyncpg.connect(shift.system.stack.database_url, server_settings={"application_name": "report"})
    try:
        await report.execute("begin")
        await report.execute("select pg_current_xact_id()")
        seen = await shift.operator.look("DatabaseTransactionAge")
        [pid] = re.findall(r"^ *(\d+) \| kreisfunk_owner +\| report +\| idle in transaction ", seen, re.MULTILINE)
        await shift.operator.do("DatabaseTransactionAge", 1, PID=pid)
        await wait_for(report.is_closed)
        await shift.operator.do("DatabaseTransactionAge", 3)
    finally:
        report.terminate()


async def test_a_system_publishes_nonsense_for_days(shift: NightShift) -> None:
    """QuarantineNearlyFull."""
    await shift.send_to_queue(topology.NOTICES_QUARANTINE, NEARLY_FULL + 1)
    await shift.watch.wait_for("QuarantineNearlyFull")
    listed = await shift.operator.look("QuarantineNearlyFull")
    assert f"{NEARLY_FULL + 1 - 100} more" in listed
    try:
        assert "revoked" in await shift.operator.do("QuarantineNearlyFull", 2, NAME="pressestelle")
        await shift.operator.do("QuarantineNearlyFull", 3)
        await shift.watch.wait_for_end("QuarantineNearlyFull")
    finally:
        await let_our_own_systems_in_again(shift.system)


async def let_our_own_systems_in_again(system: MonitoredSystem) -> None:
    """The login as `docker compose up` does, and a new token."""
    assert (await run_in_process("migrate", environment=system.stack.processes["admin"])).status == 0
    token = await system.run_kreisfunk("tokens", "create", "pressestelle")
    (system.stack.folder / "secrets" / NOTICES_API_TOKEN).write_text(token)


async def test_somebody_blocks_the_tables_of_the_newsroom_and_takes_a_right_from_subscriptions(
    shift: NightShift,
) -> None:
    """ArchiveStale, NewsroomEventsGrow, OptOutsUnusual, ExpansionStalled."""
    citizens, shift.citizens[:60] = shift.citizens[:60], []
    simulator = shift.system.editors.simulator
    before = await shift.system.editors.count_subscribed()
    report = await asyncpg.connect(shift.system.stack.database_url, server_settings={"application_name": "report"})
    try:
        await report.execute("begin")
        await report.execute(LOCK)
        await simulator.send_text(citizens, "Start", per_second=200)
        await shift.system.editors.wait_until_subscribed(before + len(citizens))
        await shift.database.execute(REVOKE_PAGES)
        await shift.publish("baustellen")
        await simulator.send_text(citizens, "Stop", per_second=200)
        await shift.watch.wait_for("OptOutsUnusual", "ArchiveStale", "NewsroomEventsGrow", "ExpansionStalled")
        assert "expansion_failed" in await shift.operator.look("ExpansionStalled")
        await shift.database.execute(GRANT_PAGES)
        await shift.operator.do("ExpansionStalled", 2)
        seen = await shift.operator.look("NewsroomEventsGrow")
        assert "dependency_unavailable" in seen
        [pid] = re.findall(r"^ *(\d+) \| kreisfunk_owner +\| report ", seen, re.MULTILINE)
        assert pid in await shift.operator.look("ArchiveStale")
        await shift.operator.do("ArchiveStale", 2, PID=pid)
        await shift.watch.wait_for_end("OptOutsUnusual", "ArchiveStale", "NewsroomEventsGrow", "ExpansionStalled")
    finally:
        report.terminate()


async def test_what_has_gone_wrong_for_a_minute(shift: NightShift) -> None:
    """FeedFailing, RetentionStalled, DeadLetters."""
    watch, operator = shift.watch, shift.operator
    # A feed has failed for too long after twice its interval of a minute; this test may be the first.
    await watch.wait_for("FeedFailing", "RetentionStalled", "DeadLetters", seconds=240)

    assert '"result":"status_404"' in await operator.look("FeedFailing")
    shift.mend_feeds()
    await operator.do("FeedFailing", 1)
    await watch.wait_for_end("FeedFailing")

    assert "repeated_action_failed" in await operator.look("RetentionStalled", SERVICE="dispatcher")
    await shift.database.execute(GRANT_RETENTION)
    await operator.do("RetentionStalled", 2, SERVICE="dispatcher")
    await watch.wait_for_end("RetentionStalled")

    seen = await operator.look("DeadLetters")
    assert "unexpected InsufficientPrivilegeError" in seen
    assert re.search(rf"^{DEAD}\s+1$", seen, re.MULTILINE)
    await shift.database.execute(GRANT_FEEDBACK)
    assert "replay: 1" in await operator.do("DeadLetters", 2)
    await operator.do("DeadLetters", 4, QUEUE=DEAD)
    await watch.wait_for_end("DeadLetters")
