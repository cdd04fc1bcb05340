"""The operators' commands on a real ledger, with the operator's role."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from deploy.local.ports import LOOPBACK, reserve_ports
from services.dispatcher.adapters.ledger import REPLICA, PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.claims import Claim
from services.subscriptions.adapters.broadcasts import PostgresBroadcastRepository
from services.subscriptions.domain.broadcast import Broadcast, BroadcastPage, build_pages
from shared.contracts.dispatch import BroadcastBatch, Recipient
from shared.contracts.hours import LOCAL_ZONE
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase
from tests.harness.ledger_rows import add_sent_broadcast
from tests.integration.cli.planned_broadcasts import NOBODY, insert_planned, run
from tests.integration.dispatcher.conftest import NUMBER

UNKNOWN_REPLY = """
insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed, asked_at,
    expires_at, unknown_at)
select person, person, 'reply', 'unknown', 'phone', '', '', now(), now() + interval '1 day', now()
from dispatcher.delivery_id($1, gen_random_uuid()) person
"""


async def fetch_counts(environment: Mapping[str, str], broadcast: UUID) -> dict[str, int]:
    ended = await run(environment, "broadcasts", "show", broadcast, "--json")
    return {name: count for name, count in ended.json["counts"].items() if count and name != "complete"}


async def test_every_recipient_of_a_broadcast_is_somewhere_for_scripts_and_for_people(
    mixed: tuple[BroadcastBatch, list[Claim]], environment: Mapping[str, str]
) -> None:
    shown = (await run(environment, "broadcasts", "show", mixed[0].broadcast, "--json")).json
    assert shown["counts"] == {
        "audience": 10,
        "complete": True,
        "accepted": 3,
        "failed": 2,
        "expired": 0,
        "cancelled": 0,
        "suppressed": 0,
        "unknown": 1,
        "waiting": 4,
        "unaccounted": 0,
    }
    assert shown["steps"] == {"accepted": 1, "sent": 0, "delivered": 2, "read": 0}
    causes = {wait["cause"]: wait["deliveries"] for wait in shown["waits"]}
    assert causes == {"pair": 1, "rate": 1, "sending": 1, "queue": 1}
    assert {(one["code"], one["reason"]) for one in shown["failures"]} == {
        (131026, "nicht zustellbar: kein WhatsApp, oder eine alte Fassung"),
        (99999, "unbekannter Fehlercode"),
    }
    text = (await run(environment, "broadcasts", "show", mixed[0].broadcast)).output
    for line in ("audience         10", "accepted          3  = 1 accepted, 2 delivered", "unaccounted       0"):
        assert line in text
    assert "too many messages to this person" in text
    assert "nicht zustellbar" in text
    listed = (await run(environment, "broadcasts", "list")).output
    assert str(mixed[0].broadcast) in listed
    assert "running" in listed


async def test_pause_and_resume_and_cancel(
    mixed: tuple[BroadcastBatch, list[Claim]], ledger: PostgresLedger, environment: Mapping[str, str]
) -> None:
    source = mixed[0].broadcast
    assert (await run(environment, "broadcasts", "resume", source)).status == 3
    paused = await run(environment, "broadcasts", "pause", source, "--reason", "Rückfrage")
    assert (paused.status, paused.output) == (0, f"paused: broadcast {source}\n")
    await ledger.requeue_waiting(100)
    assert (await run(environment, "broadcasts", "pause", source, "--reason", "Wartung")).status == 3
    shown = (await run(environment, "broadcasts", "show", source, "--json")).json
    assert (shown["standing"], shown["reason"]) == ("paused", "Rückfrage")
    assert {"cause": "resume", "deliveries": 1, "due_at": None} in shown["waits"]
    assert (await run(environment, "broadcasts", "resume", source, "--json")).json["result"] == "resumed"
    asked = await run(environment, "broadcasts", "cancel", source, "--reason", "Irrtum")
    assert (asked.status, "will not get it." in asked.errors) == (2, True)
    assert (await run(environment, "broadcasts", "cancel", source, "--reason", "Irrtum", "--yes")).status == 0
    await ledger.requeue_waiting(100)
    assert (await fetch_counts(environment, source))["cancelled"] == 2
    again = await run(environment, "broadcasts", "cancel", source, "--reason", "Irrtum")
    assert (again.status, again.errors) == (3, "The broadcast was cancelled.\n")


async def test_failed_ones_go_again_and_unknown_ones_only_after_a_warning(
    mixed: tuple[BroadcastBatch, list[Claim]], environment: Mapping[str, str]
) -> None:
    source = mixed[0].broadcast
    for options, advice in (((), False), (("--unknown",), True)):
        unclear = await run(environment, "broadcasts", "resend", source, *options)
        assert (unclear.status, "Pass --missing." in unclear.errors) == (2, True)
        assert ("Add --missing: --unknown only extends it." in unclear.errors) is advice
    first = await run(environment, "broadcasts", "resend", source, "--missing", "--json")
    assert (first.json["failed"], first.json["unknown"]) == (2, 0)
    warned = await run(environment, "broadcasts", "resend", source, "--missing", "--unknown")
    assert (warned.status, warned.output) == (2, "")
    assert "twice" in warned.errors
    sure = await run(environment, "broadcasts", "resend", source, "--missing", "--unknown", "--yes", "--json")
    assert (sure.json["failed"], sure.json["unknown"]) == (0, 1)
    assert await fetch_counts(environment, source) == {"audience": 10, "accepted": 3, "waiting": 7}


async def test_an_unknown_outcome_is_listed_with_its_age_and_settled(
    mixed: tuple[BroadcastBatch, list[Claim]], environment: Mapping[str, str]
) -> None:
    message, claims = mixed
    (listed,) = (await run(environment, "deliveries", "unknown", "--json")).json["unknown"]
    assert (listed["delivery"], listed["broadcast"]) == (str(claims[5].delivery), str(message.broadcast))
    assert listed["age_seconds"] >= 0
    assert str(claims[5].delivery) in (await run(environment, "deliveries", "unknown")).output
    settled = await run(environment, "deliveries", "settle", claims[5].delivery, "--as", "accepted")
    assert (settled.status, settled.output) == (0, "accepted: 1\n")
    assert "an operator settled it as accepted" in (await run(environment, "trace", claims[5].delivery)).output
    assert (await run(environment, "deliveries", "settle", claims[5].delivery, "--as", "failed")).status == 3
    assert (await run(environment, "deliveries", "unknown")).output == "nothing is unknown\n"
    assert (await fetch_counts(environment, message.broadcast))["accepted"] == 4


async def test_unknown_outcomes_of_a_broadcast_are_settled_together_and_a_failure_says_who_settled_it(
    mixed: tuple[BroadcastBatch, list[Claim]], environment: Mapping[str, str]
) -> None:
    source, delivery = mixed[0].broadcast, mixed[1][5].delivery
    assert (await run(environment, "deliveries", "settle", "--broadcast", source, "--as", "failed")).status == 0
    assert "von Hand" in (await run(environment, "broadcasts", "show", source)).output
    assert "an operator has settled it so" in (await run(environment, "trace", delivery)).output
    assert (await run(environment, "deliveries", "settle", "--as", "failed")).status == 2
    assert (await run(environment, "deliveries", "settle", source, "--as", "resend")).status == 2


async def test_of_many_unknown_outcomes_replies_are_listed_first_and_how_many_more_there_are(
    ledger: PostgresLedger, owner: asyncpg.Connection, environment: Mapping[str, str]
) -> None:
    broadcast = await add_sent_broadcast(owner, {"unknown": 1_000})
    await owner.execute(UNKNOWN_REPLY, broadcast)
    told = (await run(environment, "deliveries", "unknown")).output.splitlines()
    assert (len(told), told[1].split()[3], told[-1]) == (1_002, "reply", "1 more: --limit 1001")
    listed = (await run(environment, "deliveries", "unknown", "--limit", 2, "--json")).json
    assert (listed["total"], len(listed["unknown"])) == (1_001, 2)


async def test_limits_say_why_everybody_waits(
    ledger: PostgresLedger, pool: Pool, environment: Mapping[str, str]
) -> None:
    (free,) = (await run(environment, "sending", "--json")).json["numbers"]
    assert (free["rate_permitted"], free["rate_limit"], free["people_a_day"], free["waits"]) == (76, 76, 250, [])
    await PostgresRateLimiter(pool, number=NUMBER, limit=76).throttle(30)
    slowed = (await run(environment, "sending")).output
    assert "slowed down by Meta" in slowed
    assert "paused by Meta" in slowed
    assert slowed.endswith("\nnothing waits\n")
    paused = await run(environment, "sending", "pause", "--reason", "Wartung")
    assert (paused.status, paused.output) == (0, "paused: Wartung\n")
    assert "already: Wartung\n" in (await run(environment, "sending", "pause", "--reason", "Datenpanne")).errors
    assert "wait at the broker" in (await run(environment, "sending")).output
    (number,) = (await run(environment, "sending", "--json")).json["numbers"]
    assert (number["rate_permitted"], number["paused_reason"], number["paused_by_operator"]) == (0, "Wartung", True)
    assert (await run(environment, "sending", "resume")).status == 0
    assert (await run(environment, "sending", "resume")).status == 3
    assert (await run(environment, "sending", "pause", "--reason", "x", "--number", "1")).status == 3


async def test_limits_say_which_dispatcher_does_not_reach_meta_as_long_as_it_says_so(
    ledger: PostgresLedger, owner: asyncpg.Connection, environment: Mapping[str, str]
) -> None:
    await ledger.report_unreachable("ClientConnectorDNSError", 3600)
    since = datetime.now().astimezone() - timedelta(hours=1)
    (number,) = (await run(environment, "sending", "--json")).json["numbers"]
    (sentence,) = number["unreachable"]
    told = re.fullmatch(
        rf"Meta is not reachable since (.+) from {re.escape(REPLICA)}: ClientConnectorDNSError", sentence
    )
    assert told
    assert abs(datetime.fromisoformat(told[1]).astimezone() - since) < timedelta(seconds=10)
    assert sentence in (await run(environment, "sending")).output
    await owner.execute("update dispatcher.unreachable set said_at = said_at - interval '10 seconds'")
    assert "not reachable" not in (await run(environment, "sending")).output


async def test_paused_templates_are_listed_and_resumed(ledger: PostgresLedger, environment: Mapping[str, str]) -> None:
    assert (await run(environment, "templates", "list")).output == "no template is paused\n"
    await ledger.pause_template("t/de", "von Meta angehalten")
    (paused,) = (await run(environment, "templates", "list", "--json")).json["paused"]
    assert (paused["template"], paused["reason"]) == ("t/de", "von Meta angehalten")
    assert (await run(environment, "templates", "resume", "t/de")).output == "resumed: template t/de\n"
    assert (await run(environment, "templates", "resume", "t/de")).status == 3


async def test_what_does_not_exist_is_named_as_such(ledger: PostgresLedger, environment: Mapping[str, str]) -> None:
    for arguments in (
        ("show", NOBODY),
        ("pause", NOBODY, "--reason", "x"),
        ("resume", NOBODY),
        ("cancel", NOBODY, "--reason", "x"),
        ("resend", NOBODY, "--missing"),
    ):
        ended = await run(environment, "broadcasts", *arguments)
        assert (ended.status, ended.errors.startswith("There is no such broadcast")) == (3, True)
    assert (await run(environment, "broadcasts", "list")).output == "no broadcasts\n"


async def test_nothing_is_stopped_without_a_reason(
    mixed: tuple[BroadcastBatch, list[Claim]], environment: Mapping[str, str]
) -> None:
    """As with --reason "$WHY" if that is not set."""
    broadcast = mixed[0].broadcast
    for stop in (
        ("sending", "pause"),
        ("broadcasts", "pause", broadcast),
        ("broadcasts", "cancel", broadcast, "--yes"),
    ):
        ended = await run(environment, *stop, "--reason", " ")
        assert (ended.status, "say why" in ended.errors) == (2, True), ended.everything
    (number,) = (await run(environment, "sending", "--json")).json["numbers"]
    assert number["paused_reason"] is None
    assert (await run(environment, "broadcasts", "show", broadcast, "--json")).json["standing"] == "running"


async def test_what_the_database_cannot_take_is_a_wrong_argument_and_not_its_fault(
    mixed: tuple[BroadcastBatch, list[Claim]], environment: Mapping[str, str]
) -> None:
    """As from a terminal in Latin-1."""
    reason, many = ("--reason", "Gef\udce4hrlich"), ("--limit", 2**63)
    for arguments in (("sending", "pause", *reason), ("deliveries", "unknown", *many)):
        ended = await run(environment, *arguments)
        assert (ended.status, "does not accept one of the arguments" in ended.errors) == (2, True), ended.everything
    (number,) = (await run(environment, "sending", "--json")).json["numbers"]
    assert number["paused_reason"] is None


async def test_a_database_that_is_away_and_a_wrong_password_are_named(
    database: FreshDatabase, environment: Mapping[str, str]
) -> None:
    wrong = await run({**environment, "KREISFUNK_DATABASE_PASSWORD": "entirely-wrong"}, "broadcasts", "list")
    with reserve_ports(1) as (port,):
        away = {"KREISFUNK_DATABASE_URL": f"postgresql://kreisfunk_operator@{LOOPBACK}:{port}/kreisfunk"}
        gone = await run(away, "sending")
    assert (wrong.status, gone.status) == (4, 4)
    assert "refuses this role" in wrong.errors
    assert "Is PostgreSQL up" in gone.errors
    assert "entirely-wrong" not in wrong.everything


async def test_another_role_may_neither_look_nor_act(database: FreshDatabase, ledger: PostgresLedger) -> None:
    monitor = {"KREISFUNK_DATABASE_URL": database.build_role_url("kreisfunk_monitor")}
    for command in (("broadcasts", "list"), ("sending", "pause", "--reason", "x")):
        ended = await run(monitor, *command)
        assert (ended.status, "kreisfunk_operator" in ended.errors) == (4, True)


async def test_a_missing_setting_and_a_stack_that_does_not_run_are_usage_errors() -> None:
    assert (await run({"KREISFUNK_DATABASE_URL": "mysql://x"}, "sending")).status == 2
    ended = await run({}, "deliveries", "unknown", "--stack", "nowhere")
    assert (ended.status, "No stack runs in nowhere" in ended.errors) == (2, True)


async def test_what_comes_next_and_what_runs_is_listed_however_much_is_scheduled(
    mixed: tuple[BroadcastBatch, list[Claim]],
    database: FreshDatabase,
    owner: asyncpg.Connection,
    environment: Mapping[str, str],
) -> None:
    coming = [UUID(int=UUID(NOBODY).int + number) for number in range(3)]
    begins = [await insert_planned(database, broadcast) for broadcast in coming]
    await owner.execute("update subscriptions.broadcast set published_at = now() where id = $1", coming[1])
    listed = (await run(environment, "broadcasts", "list", "-n", 1, "--json")).json
    assert [(one["broadcast"], one["standing"]) for one in listed["broadcasts"]] == [
        (str(coming[1]), "scheduled"),
        (str(mixed[0].broadcast), "running"),
    ]
    assert listed["total"] == 4
    assert (await run(environment, "broadcasts", "list", "-n", 1)).output.endswith("\n2 more: --number 3\n")
    assert "more" not in (await run(environment, "broadcasts", "list", "-n", 3)).output
    shown = await run(environment, "broadcasts", "show", coming[0])
    assert f"begins     {begins[0].astimezone(LOCAL_ZONE):%Y-%m-%d %H:%M:%S}" in shown.output
    assert "everybody is read when it begins" in shown.output
    ended = await run(environment, "broadcasts", "cancel", coming[0], "--reason", "x", "--yes")
    assert (ended.status, "kreisfunk withdraw" in ended.errors) == (3, True)


async def test_what_was_withdrawn_before_it_began_is_shown_and_not_listed(
    ledger: PostgresLedger, database: FreshDatabase, environment: Mapping[str, str]
) -> None:
    await insert_planned(database, UUID(NOBODY), state="cancelled", reason="withdrawn")
    assert (await run(environment, "broadcasts", "list", "--json")).json["broadcasts"] == []
    shown = await run(environment, "broadcasts", "show", NOBODY)
    assert "cancelled: withdrawn" in shown.output


async def test_one_that_stands_in_the_way_is_ended_although_no_page_of_it_has_come(
    database: FreshDatabase, owner: asyncpg.Connection, environment: Mapping[str, str]
) -> None:
    older, younger = UUID(NOBODY), UUID(int=UUID(NOBODY).int + 1)
    for broadcast in (older, younger):
        await insert_planned(database, broadcast, state="expanding")
    read = "update subscriptions.broadcast set read_to_end = true, published_at = now() where id = $1"
    await owner.execute(read, older)
    await owner.execute("insert into subscriptions.pending_page values ($1, 0, $1, '', 1, true)", older)

    ended = await run(environment, "broadcasts", "cancel", older, "--reason", "steckt fest", "--json", "--yes")

    assert (ended.status, ended.json["before"]) == (0, "expanding")
    assert await find_next_to_expand(database) == younger
    assert await owner.fetch("select from subscriptions.pending_page where broadcast_id = $1", older) == []
    assert await owner.fetchval("select read_to_end from subscriptions.broadcast where id = $1", older) is False
    # What the broker has of it is not sent either.
    [cancelled] = await owner.fetch("select broadcast, reason from dispatcher.cancellation")
    assert tuple(cancelled) == (older, "steckt fest")
    assert "cancelled: steckt fest" in (await run(environment, "broadcasts", "show", older)).output


async def test_one_whose_pages_all_wait_at_the_broker_is_cancelled(
    database: FreshDatabase, owner: asyncpg.Connection, environment: Mapping[str, str]
) -> None:
    await insert_planned(database, UUID(NOBODY), state="expanded")
    await insert_planned(database, UUID(int=UUID(NOBODY).int + 1), state="expanded")
    long_ago = "update subscriptions.broadcast set expires_at = now() - interval '2 days' where id <> $1"
    await owner.execute(long_ago, UUID(NOBODY))
    (listed,) = (await run(environment, "broadcasts", "list", "--json")).json["broadcasts"]
    assert (listed["broadcast"], listed["standing"]) == (NOBODY, "expanded")
    assert "waits at the broker" in (await run(environment, "broadcasts", "show", NOBODY)).output
    asked = await run(environment, "broadcasts", "cancel", NOBODY, "--reason", "Übung")
    assert (asked.status, "wait at the broker" in asked.errors) == (2, True)
    ended = await run(environment, "broadcasts", "cancel", NOBODY, "--reason", "Übung", "--json", "--yes")
    assert (ended.status, ended.json["before"]) == (0, "expanded")
    assert await owner.fetchval("select reason from dispatcher.cancellation where broadcast = $1", NOBODY) == "Übung"
    assert "cancelled: Übung" in (await run(environment, "broadcasts", "show", NOBODY)).output
    assert (await run(environment, "broadcasts", "list", "--json")).json["broadcasts"] == []


async def find_next_to_expand(database: FreshDatabase) -> UUID:
    asked: list[Broadcast] = []

    def prepare(broadcast: Broadcast, _: Sequence[Recipient]) -> tuple[BroadcastPage, ...]:
        asked.append(broadcast)
        return build_pages(broadcast, (), more=False, now=broadcast.published_at)

    async with (
        database.open_pool("kreisfunk_subscriptions", size=1) as pool,
        PostgresBroadcastRepository(pool).claim() as claim,
    ):
        assert claim
        await claim.fetch_pages(1, prepare)
    return asked[0].id
