"""`kreisfunk publish` and `withdraw` against a real broker with the publisher's real permissions."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aio_pika
import pytest

from deploy.local.ports import LOOPBACK, reserve_ports
from shared.amqp import topology
from shared.contracts.notices import NoticePublished, NoticeWithdrawn
from tests.integration.cli.commands import run_in_process, run_kreisfunk, run_on_terminal
from tests.integration.cli.notice_responder import (
    BROADCAST,
    NONE_TO_WITHDRAW,
    ONE_TO_WITHDRAW,
    PASSWORD,
    SENT_TO_ALL,
    TAKEN_BACK,
    NoticeResponder,
    let_log_in,
    open_notice_responder,
)
from tests.servers import Servers, create_vhost

NOTICE = ("publish", "--topic", "strassensperrungen", "--headline", "L 149 gesperrt", "--text", "Bis 18 Uhr.")


@pytest.fixture(scope="module")
async def declared_vhost(vhost: str) -> str:
    async with await aio_pika.connect(vhost) as connection:
        await topology.declare(await connection.channel())
    return vhost


@pytest.fixture(scope="module")
async def environment(servers: Servers, declared_vhost: str) -> Mapping[str, str]:
    return {"KREISFUNK_BROKER_URL": await let_log_in(servers, declared_vhost, "pressestelle")}


@pytest.fixture(scope="module")
async def subscriptions_url(servers: Servers, declared_vhost: str) -> str:
    return await let_log_in(servers, declared_vhost, "subscriptions")


@pytest.fixture
async def desk(declared_vhost: str, subscriptions_url: str) -> AsyncIterator[NoticeResponder]:
    async with await aio_pika.connect(declared_vhost) as connection:
        channel = await connection.channel()
        await (await channel.get_queue(topology.SUBSCRIPTIONS_NOTICES.name, ensure=False)).purge()
    async with open_notice_responder(subscriptions_url) as desk:
        yield desk


async def test_an_accepted_notice_is_told_with_its_broadcast(
    desk: NoticeResponder, environment: Mapping[str, str]
) -> None:
    ended = await run_kreisfunk(*NOTICE, "--notice", "n-1", "--revision", "2", environment=environment)
    assert (ended.status, ended.errors) == (0, "")
    assert ended.output == f"accepted: notice n-1 revision 2, broadcast {BROADCAST}\n"


async def test_the_event_names_login_and_source_and_expires_after_a_day(
    desk: NoticeResponder, environment: Mapping[str, str]
) -> None:
    await run_in_process(*NOTICE, environment=environment)
    ((login, envelope, notice),) = desk.said
    assert (login, envelope.source) == ("pressestelle", "/landkreis-osterholz/pressestelle")
    assert isinstance(notice, NoticePublished)
    assert envelope.subject
    assert envelope.expirytime is not None
    assert envelope.expirytime - envelope.time == timedelta(hours=24)


async def test_everything_on_the_command_line_is_in_the_notice(
    desk: NoticeResponder, environment: Mapping[str, str]
) -> None:
    options: tuple[str, ...] = (
        "--link",
        "https://example.org/a",
        "--urgent",
        "--source",
        "/other",
        "--expires-in",
        "2d",
    )
    options += ("--spread", "2h", "--follows", "n-0")
    await run_in_process(*NOTICE, *options, environment=environment)
    ((_, envelope, notice),) = desk.said
    assert isinstance(notice, NoticePublished)
    assert (notice.topic, notice.headline, notice.text) == ("strassensperrungen", "L 149 gesperrt", "Bis 18 Uhr.")
    assert (notice.spread_minutes, notice.follows) == (120, "n-0")
    assert (notice.link, notice.urgent, envelope.source) == ("https://example.org/a", True, "/other")
    assert envelope.expirytime is not None
    assert envelope.expirytime - envelope.time == timedelta(days=2)


async def test_a_rejected_notice_is_told_with_every_field(
    desk: NoticeResponder, environment: Mapping[str, str]
) -> None:
    rejected = ("publish", "--topic", "unknown", "--headline", "x", "--text", "x", "--notice", "n-2")
    ended = await run_in_process(*rejected, environment=environment)
    assert ended.status == 3
    assert ended.output == "rejected: notice n-2\n  topic: unknown\n  headline: is blank\n"


async def test_scripts_get_one_json_object(desk: NoticeResponder, environment: Mapping[str, str]) -> None:
    accepted = await run_in_process(*NOTICE, "--notice", "n-3", "--json", environment=environment)
    assert accepted.json["result"] == "accepted"
    assert accepted.json["broadcast"] == str(BROADCAST)
    rejected = ("publish", "--topic", "unknown", "--headline", "x", "--text", "x", "--json")
    problems = (await run_in_process(*rejected, environment=environment)).json["problems"]
    assert [problem["field"] for problem in problems] == ["topic", "headline"]


async def test_a_withdrawn_notice_is_told_with_what_ended(
    desk: NoticeResponder, environment: Mapping[str, str]
) -> None:
    ended = await run_in_process("withdraw", "--notice", "n-4", "--reason", "geöffnet", environment=environment)
    assert (ended.status, ended.output) == (0, f"withdrawn: notice n-4, broadcast {BROADCAST}\n")
    ((_, envelope, withdrawn),) = desk.said
    assert (envelope.subject, withdrawn) == ("n-4", NoticeWithdrawn(reason="geöffnet"))


async def test_a_withdrawal_that_is_checked_takes_nothing_back_and_uses_no_id_up(
    desk: NoticeResponder, environment: Mapping[str, str]
) -> None:
    check = ("withdraw", "--notice", "n-4", "--check")
    desk.expected = ONE_TO_WITHDRAW
    ended = await run_in_process(*check, environment=environment)
    assert (ended.status, ended.output) == (0, "event 1: valid; nothing was sent\n")
    desk.expected = NONE_TO_WITHDRAW
    ended = await run_in_process(*check, "--json", environment=environment)
    assert (ended.status, ended.json["expected"][0]["revision"]) == (6, 0)
    ended = await run_in_process(*check, "--reason", "x" * 201, environment=environment)
    assert (ended.status, "  reason: " in ended.output, desk.said) == (3, True, [])


async def test_nobody_has_to_wait(environment: Mapping[str, str]) -> None:
    ended = await run_in_process(*NOTICE, "--notice", "n-5", "--no-wait", environment=environment)
    assert (ended.status, ended.output) == (0, "published: notice n-5\n")


async def test_no_answer_in_time_is_told_as_what_it_is(environment: Mapping[str, str]) -> None:
    ended = await run_in_process(*NOTICE, "--timeout", "0.2", environment=environment)
    assert (ended.status, ended.output) == (5, "")
    assert "the broker has it" in ended.errors


async def test_a_wrong_password_is_named_and_not_shown(environment: Mapping[str, str]) -> None:
    wrong = {**environment, "KREISFUNK_BROKER_PASSWORD": "entirely-wrong"}
    ended = await run_in_process(*NOTICE, environment=wrong)
    assert (ended.status, ended.output) == (4, "")
    assert "refuses this login" in ended.errors
    assert "Traceback" not in ended.errors
    assert "entirely-wrong" not in ended.everything
    assert PASSWORD not in ended.everything


async def test_a_broker_that_is_away_is_named() -> None:
    with reserve_ports(1) as (port,):
        away = {"KREISFUNK_BROKER_URL": f"amqp://pressestelle@{LOOPBACK}:{port}/"}
        ended = await run_in_process(*NOTICE, environment=away)
    assert (ended.status, ended.output) == (4, "")
    assert "Is RabbitMQ up" in ended.errors
    assert "Traceback" not in ended.errors


async def test_a_broker_without_our_topology_is_named(servers: Servers) -> None:
    async with create_vhost(servers, "test-nothing-declared") as empty:
        url = await let_log_in(servers, empty, "pressestelle")
        ended = await run_in_process(*NOTICE, environment={"KREISFUNK_BROKER_URL": url})
    assert ended.status == 4
    assert "kreisfunk migrate" in ended.errors


@pytest.mark.parametrize(
    "wrong",
    [
        ("--expires-in", "soon"),
        ("--expires-at", "soon"),
        ("--expires-in", "1h", "--expires-at", "2030-01-01T00:00+01:00"),
        ("--revision", "0"),
        ("--spread", "slowly"),
        ("--no-such-option",),
    ],
)
async def test_a_wrong_command_line_ends_before_anything_is_published(wrong: tuple[str, ...]) -> None:
    ended = await run_in_process(*NOTICE, *wrong, environment={"KREISFUNK_BROKER_URL": "amqp://x@127.0.0.1:1/"})
    assert (ended.status, ended.output) == (2, "")
    assert "Traceback" not in ended.errors


async def test_without_a_login_the_setting_is_named() -> None:
    ended = await run_in_process(*NOTICE, environment={"KREISFUNK_BROKER_URL": "amqp://127.0.0.1:1/"})
    assert ended.status == 2
    assert "KREISFUNK_BROKER_URL" in ended.errors


async def test_a_stack_that_does_not_run_is_named() -> None:
    ended = await run_in_process(*NOTICE, "--stack", "nowhere", environment={})
    assert ended.status == 2
    assert "No stack runs in nowhere" in ended.errors


async def test_a_check_names_each_field_and_sends_nothing(
    desk: NoticeResponder, environment: Mapping[str, str]
) -> None:
    wrong = ("--link", "https://elsewhere.example/x", "--municipality", "Nirgends", "--check")
    ended = await run_in_process(*NOTICE, *wrong, environment=environment)
    assert ended.status == 3
    assert {line.split(":")[0].strip() for line in ended.output.splitlines()[1:]} == {"link", "municipalities"}
    valid = await run_in_process(*NOTICE, "--check", environment=environment)
    assert (valid.status, desk.said) == (0, [])
    assert "3 people, 0.14 euros (utility), about 1 s, expires " in valid.output
    assert "outside the permitted hours" in valid.output


@pytest.mark.parametrize(
    ("typed", "status", "sent"), [("n", 1, 0), ("", 1, 0), ("jein", 1, 0), ("y", 0, 1), ("Ja", 0, 1)]
)
async def test_on_a_terminal_it_asks_with_what_is_expected(
    desk: NoticeResponder, environment: Mapping[str, str], typed: str, status: int, sent: int
) -> None:
    ended = await run_on_terminal(*NOTICE, typed=typed, environment=environment)
    assert (ended.status, len(desk.said)) == (status, sent), ended.everything
    assert ("Nothing was sent." in ended.errors) == (sent == 0)
    assert "3 people, 0.14 euros (utility), about 1 s, expires " in ended.errors
    assert "outside the permitted hours" in ended.errors


async def test_on_a_terminal_nothing_is_asked_with_yes_or_about_what_is_wrong(
    desk: NoticeResponder, environment: Mapping[str, str]
) -> None:
    ended = await run_on_terminal(*NOTICE, "--yes", typed="n", environment=environment)
    assert (ended.status, len(desk.said), "[y/N]" in ended.errors) == (0, 1, False)
    wrong = ("--link", "https://elsewhere.example/x")
    ended = await run_on_terminal(*NOTICE, *wrong, typed="y", environment=environment)
    assert (ended.status, len(desk.said), "[y/N]" in ended.errors) == (3, 1, False)


async def test_a_file_may_hold_several_events(
    desk: NoticeResponder, environment: Mapping[str, str], tmp_path: Path
) -> None:
    content = {"topic": "strassensperrungen", "headline": "K 9", "text": "Bis Freitag."}
    expiry = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    events = [{"id": f"e-{n}", "subject": f"f-{n}", "expirytime": expiry, "data": content} for n in (1, 2)]
    path = tmp_path / "events.json"
    path.write_text(json.dumps(events))
    ended = await run_in_process("publish", str(path), environment=environment)
    assert (ended.status, len(ended.output.splitlines())) == (0, 2), ended.everything
    assert [(envelope.id, envelope.subject) for _, envelope, _ in desk.said] == [("e-1", "f-1"), ("e-2", "f-2")]
    path.write_text(json.dumps([events[0], {**events[1], "data": {}}]))
    assert (await run_in_process("publish", str(path), environment=environment)).status == 3
    assert len(desk.said) == 2


async def test_a_watched_notice_is_followed_to_its_end(desk: NoticeResponder, environment: Mapping[str, str]) -> None:
    desk.outcome = SENT_TO_ALL
    ended = await run_in_process(*NOTICE, "--notice", "n-6", "--watch", environment=environment)
    assert (ended.status, ended.errors) == (0, "")
    assert ended.output.splitlines() == [
        "received: notice n-6",
        f"accepted: notice n-6 revision 1, broadcast {BROADCAST}",
        "sending: notice n-6, 1 of 3",
        "finished: notice n-6, 3 people: 2 accepted, 1 failed",
    ]


async def test_watching_ends_with_one_if_it_does_not_reach_its_end(
    desk: NoticeResponder, environment: Mapping[str, str]
) -> None:
    rejected = ("publish", "--topic", "unknown", "--headline", "x", "--text", "x", "--watch")
    ended = await run_in_process(*rejected, environment=environment)
    assert (ended.status, ended.output.splitlines()[-2:]) == (1, ["  topic: unknown", "  headline: is blank"])
    desk.outcome = TAKEN_BACK
    ended = await run_in_process(*NOTICE, "--watch", "--json", environment=environment)
    assert (ended.status, json.loads(ended.output.splitlines()[-1])["state"]) == (1, "cancelled")


async def test_watching_ends_if_an_event_was_obeyed_before_and_nobody_says_more_of_it(
    desk: NoticeResponder, environment: Mapping[str, str], tmp_path: Path
) -> None:
    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    expiry = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    content = {"topic": "strassensperrungen", "headline": "K 9", "text": "Bis Freitag."}
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"time": earlier, "subject": "n-7", "expirytime": expiry, "data": content}))
    ended = await run_in_process("publish", str(path), "--watch", "--timeout", "1", environment=environment)
    assert (ended.status, "accepted before" in ended.errors) == (5, True), ended.everything
    assert [answer.split(":")[0] for answer in ended.output.splitlines()] == ["received", "accepted"]
    assert len(desk.said) == 1


async def test_watching_without_an_answer_says_so(environment: Mapping[str, str]) -> None:
    ended = await run_in_process(*NOTICE, "--watch", "--timeout", "0.2", environment=environment)
    assert ended.status == 5
    assert (await run_in_process(*NOTICE, "--watch", "--no-wait", environment=environment)).status == 2
