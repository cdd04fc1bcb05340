"""`kreisfunk quarantine` against a real broker, with the login and the keys of an operator."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused

from services.ingress.domain import translate
from services.ingress.domain.decoding import NotUnderstood, moment
from services.ingress.domain.findings import Problem, ProblemKind
from services.ingress.domain.webhook import Timestamp
from shared.amqp import topology
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses, InboundMessage, InboundMessages
from tests.integration.cli.commands import REPOSITORY, Ended, kreisfunk_here
from tests.integration.cli.desk import let_log_in
from tests.integration.cli.kept_webhooks import KEYS, Ward, first_message
from tests.integration.ingress.queues import open_queues
from tests.servers import Servers, wait_for
from tests.unit.ingress.rules import INDEX, RULES
from tests.unit.ingress.webhooks import PHONE, messages_body, status, text_message, value, webhook

NOW = datetime.now(UTC)
RECENTLY = str(int((NOW - timedelta(hours=1)).timestamp()))
LATER = int((NOW - timedelta(minutes=1)).timestamp())
LONG_AGO = str(int((NOW - timedelta(days=30)).timestamp()))


@pytest.fixture(scope="module")
async def module_ward(servers: Servers, vhost: str) -> AsyncIterator[Ward]:
    async with open_queues(vhost) as queues, await aio_pika.connect(vhost) as connection:
        login_url = await let_log_in(servers, vhost, "quarantine")
        yield Ward(channel=await connection.channel(), queues=queues, login_url=login_url)


@pytest.fixture
async def ward(module_ward: Ward) -> Ward:
    await module_ward.queues.purge()
    return module_ward


async def quarantine(*arguments: str, environment: Mapping[str, str]) -> Ended:
    return await kreisfunk_here("quarantine", *arguments, environment=environment)


def message(number: int, timestamp: str = RECENTLY) -> bytes:
    return messages_body(text_message(number, timestamp=timestamp))


async def texts(ward: Ward) -> list[str | None]:
    groups = await ward.queues.take(InboundMessages)
    return [it.text for group in groups for it in group.messages]


async def test_an_empty_quarantine_is_told_as_such(ward: Ward) -> None:
    ended = await quarantine("list", environment=ward.without_keys)
    assert (ended.status, ended.output) == (0, "nothing is in quarantine\n")


@pytest.mark.foreign_messages("quarantine may hold what is no message of ours")
async def test_the_list_needs_no_key_and_names_nobody(ward: Ward) -> None:
    await ward.keep("aaaaaaaa-1", message(1), at=NOW)
    await ward.keep("bbbbbbbb-1", b"{}", at=NOW, problems=[Problem("not UTF-8", ProblemKind.NO_WEBHOOK)])
    await ward.put("cccccccc-1", b"what is this?")

    ended = await quarantine("list", environment=ward.without_keys)

    assert ended.status == 0
    lines = ended.output.splitlines()
    assert [line.split()[0] for line in lines] == ["id", "aaaaaaaa", "bbbbbbbb", "cccccccc"]
    assert "webhook: broken_part" in lines[1]
    assert "messages[0]: Object missing required field `timestamp`" in lines[1]
    assert "webhook: no_webhook" in lines[2]
    assert "not a message of ours" in lines[3]
    assert PHONE not in ended.everything
    await ward.has(3)


async def test_the_list_for_scripts_has_everything(ward: Ward) -> None:
    for number in range(3):
        await ward.keep(f"id-{number}", b"{}", at=NOW)
    ended = await quarantine("list", "--limit", "2", "--json", environment=ward.without_keys)
    assert ended.json["total"] == 3
    assert [it["id"] for it in ended.json["items"]] == ["id-0", "id-1"]
    assert ended.json["items"][0] | {"since": ""} == {
        "id": "id-0",
        "kind": "webhook: broken_part",
        "since": "",
        "size": 2,
        "reason": "messages[0]: Object missing required field `timestamp`",
    }
    await ward.has(3)
    plain = await quarantine("list", "--limit", "2", environment=ward.without_keys)
    assert plain.output.endswith("1 more: --limit 3\n")
    await ward.has(3)
    assert await ward.ids() == ["id-0", "id-1", "id-2"]


async def test_one_is_opened_by_the_beginning_of_its_id(ward: Ward) -> None:
    await ward.keep("aaaa-1", message(1), at=NOW)
    await ward.keep("bbbb-1", b"Start \xff", at=NOW)

    ended = await quarantine("show", "aaaa", environment=ward.environment)
    assert ended.status == 0
    assert f'"from": "{PHONE}"' in ended.output
    assert "may name people" in ended.complaint

    await ward.has(2)
    assert "Start \\xff" in (await quarantine("show", "bbbb", environment=ward.environment)).output
    await ward.has(2)
    raw = await quarantine("show", "aaaa-1", "--raw", environment=ward.environment)
    assert raw.output.encode() == message(1)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({}, "no sealing key is set"),
        ({"KREISFUNK_SEALING_KEYS": KEYS["KREISFUNK_SEALING_KEYS"].replace("1:", "2:")}, "not in the ring"),
        ({"KREISFUNK_SEALING_KEYS": f"1:{KEYS['KREISFUNK_INDEX_KEY']}"}, "does not open with this key"),
    ],
)
async def test_without_the_right_key_it_stays_closed_and_says_what_to_do(
    ward: Ward, keys: Mapping[str, str], complaint: str
) -> None:
    await ward.keep("aaaa", message(1), at=NOW)
    ended = await quarantine("show", "aaaa", environment={**ward.without_keys, **keys})
    assert (ended.status, ended.output) == (3, "")
    assert complaint in ended.complaint
    assert "KREISFUNK_SEALING_KEYS" in ended.complaint
    await ward.has(1)


@pytest.mark.parametrize("command", [("show", "aaa"), ("replay", "aaa"), ("drop", "aaa", "--yes"), ("show", "zzz")])
async def test_what_is_not_there_or_not_one_is_refused(ward: Ward, command: tuple[str, ...]) -> None:
    await ward.keep("aaa1", message(1), at=NOW)
    await ward.keep("aaa2", message(2), at=NOW)
    ended = await quarantine(*command, environment=ward.environment)
    assert ended.status == 3
    assert "in quarantine has an id that begins with" in ended.complaint
    await ward.has(2)


async def test_what_is_understood_today_is_sent_on_and_leaves(ward: Ward) -> None:
    body = webhook(
        value(messages=[text_message(1, timestamp=RECENTLY)], statuses=[status(number) for number in range(250)])
    )
    await ward.keep("aaaa", body, at=NOW)

    ended = await quarantine("replay", "aaaa", environment=ward.environment)

    assert (ended.status, ended.output) == (0, "aaaa: 251 published, 0 not for us\n")
    [group] = await ward.queues.take(InboundMessages)
    assert group.messages[0].message_key == INDEX.index("wamid", "wamid.IN00000001")
    assert group.messages[0].received_at == NOW
    statuses = await ward.queues.take(DeliveryStatuses)
    assert [it.delivery for group in statuses for it in group.statuses] == [f"delivery-{it}" for it in range(250)]
    assert await ward.ids() == []


async def test_what_is_still_not_understood_stays_and_its_neighbours_are_sent_on(ward: Ward) -> None:
    await ward.keep("aaaa", messages_body(text_message(1, "Stop", timestamp=RECENTLY), {"id": 7}), at=NOW)

    ended = await quarantine("replay", "--all", "--json", environment=ward.environment)

    assert ended.status == 3
    [result] = ended.json["replayed"]
    assert (result["id"], result["done"], result["published"]) == ("aaaa", False, 1)
    assert result["problems"] == ["messages[1]: id: Expected `str`, got `int`"]
    assert await texts(ward) == ["Stop"]
    await ward.has(1)


async def test_of_what_was_kept_part_by_part_a_replay_after_an_update_hears_the_bad_parts_alone(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = webhook(
        value(
            messages=[
                text_message(1, "Hallo", timestamp=RECENTLY),
                text_message(2, "Stop", timestamp=LATER),
                text_message(3, "Start", timestamp=RECENTLY, context="wamid.OUT1"),
                {"id": 7},
            ],
            statuses=[status(1), status(2, "read", timestamp=LATER), status(3, "failed", pricing=7)],
        )
    )
    with monkeypatch.context() as before_the_update:
        before_the_update.setattr(translate, "moment", knows_no_later)
        understood = translate.understand(body, RULES)
    assert [type(event) for event in understood.events] == [InboundMessage] * 2 + [DeliveryStatus] * 2
    await ward.keep("part", body, at=NOW, problems=understood.problems)
    await ward.has(5)

    listed = await quarantine("list", "--json", environment=ward.without_keys)
    ended = await quarantine("replay", "--all", "--json", environment=ward.environment)

    assert [(it["id"], it["kind"]) for it in listed.json["items"]] == [
        ("part", "webhook: broken_part"),
        ("part1", "webhook: broken_field"),
        ("part2", "webhook: broken_part"),
        ("part3", "webhook: broken_part"),
        ("part4", "webhook: broken_field"),
    ]
    assert ended.status == 3
    assert [(it["done"], it["published"]) for it in ended.json["replayed"]] == [
        (True, 1),
        (False, 0),
        (False, 0),
        (True, 1),
        (False, 0),
    ]
    assert await texts(ward) == ["Stop"]
    [group] = await ward.queues.take(DeliveryStatuses)
    assert [it.delivery for it in group.statuses] == ["delivery-2"]
    assert await ward.ids() == ["part1", "part2", "part4"]


def knows_no_later(timestamp: Timestamp) -> datetime:
    if timestamp == LATER:
        raise NotUnderstood("timestamp is of a sort that is not known")
    return moment(timestamp)


async def test_of_a_field_without_which_it_was_heard_a_status_is_sent_again_and_a_message_is_not(ward: Ward) -> None:
    messages = [text_message(1, "Stop", timestamp=LONG_AGO, image={"caption": 7})]
    statuses = [status(1, "failed", errors={"code": 131026})]
    problems = translate.understand(webhook(value(messages=messages, statuses=statuses)), RULES).problems
    mended = [mend(problem, b'"caption": 7', b'"caption": "7"') for problem in problems]
    mended = [mend(problem, b'{"code": 131026}', b'[{"code": 131026}]') for problem in mended]
    await ward.keep("part", b"", at=NOW, problems=mended)

    ended = await quarantine("replay", "--all", environment=ward.environment)

    assert (ended.status, ended.output) == (0, "part: 0 published, 0 not for us\npart1: 1 published, 0 not for us\n")
    assert await texts(ward) == []
    [group] = await ward.queues.take(DeliveryStatuses)
    assert [(it.status, it.error_code) for it in group.statuses] == [("failed", 131026)]
    assert await ward.ids() == []


def mend(problem: Problem, broken: bytes, whole: bytes) -> Problem:
    return replace(problem, part=problem.part and problem.part.replace(broken, whole))


async def test_what_nobody_remembers_any_more_is_not_sent_on(ward: Ward) -> None:
    body = webhook(value(messages=[text_message(1, timestamp=LONG_AGO)], statuses=[status(1)]))
    await ward.keep("aaaa", body, at=NOW)

    ended = await quarantine("replay", "aaaa", environment=ward.environment)

    assert ended.status == 3
    assert ended.output == "aaaa: 1 published, 0 not for us, 1 too old to be sent on; stays in quarantine\n"
    assert await texts(ward) == []
    assert len(await ward.queues.take(DeliveryStatuses)) == 1
    await ward.has(1)


async def test_a_replay_needs_keys_and_number_before_it_touches_anything(ward: Ward) -> None:
    await ward.keep("aaaa", message(1), at=NOW)
    ended = await quarantine("replay", "--all", environment=ward.without_keys)
    assert ended.status == 3
    assert "index key" in ended.complaint
    assert await texts(ward) == []
    await ward.has(1)


async def test_a_replay_that_is_killed_loses_nothing_and_goes_on(ward: Ward) -> None:
    everything = {f"message {number}" for number in range(300)}
    for number in range(300):
        body = messages_body(text_message(number, f"message {number}", timestamp=RECENTLY))
        await ward.keep(f"id-{number:03}", body, at=NOW)

    async with first_message(ward.channel) as came:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "cli.main", "quarantine", "replay", "--all"),
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"], **ward.environment},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await came.wait()
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL

    sent = {*await texts(ward)}
    assert sent

    async def the_rest_is_sent() -> bool:
        """Not at once: the broker has to notice that the first connection is gone."""
        sent.update(await resent(ward))
        return sent == everything

    await wait_for(the_rest_is_sent)
    assert await ward.ids() == []


async def resent(ward: Ward) -> list[str | None]:
    assert (await quarantine("replay", "--all", environment=ward.environment)).status == 0
    return await texts(ward)


async def test_dropping_asks_first(ward: Ward) -> None:
    await ward.keep("aaaa", message(1), at=NOW)
    ended = await quarantine("drop", "aaaa", environment=ward.without_keys)
    assert ended.status == 2
    assert "--yes" in ended.complaint
    await ward.has(1)


async def test_dropping_takes_one_or_all_away_and_needs_no_key(ward: Ward) -> None:
    for name in ("aaaa", "bbbb", "cccc"):
        await ward.keep(name, message(1), at=NOW)
    one = await quarantine("drop", "bbbb", "--yes", environment=ward.without_keys)
    assert (one.status, one.output) == (0, "dropped: 1\n")
    await ward.has(2)
    rest = await quarantine("drop", "--all", "--yes", "--json", environment=ward.without_keys)
    assert (rest.status, rest.json) == (0, {"dropped": 2})
    assert await ward.ids() == []


@pytest.mark.parametrize("command", [("replay",), ("drop", "--yes"), ("replay", "aaaa", "--all")])
async def test_one_or_all_has_to_be_said(ward: Ward, command: tuple[str, ...]) -> None:
    ended = await quarantine(*command, environment=ward.environment)
    assert ended.status == 2
    assert "--all" in ended.complaint


async def test_a_broker_that_is_away_is_named(ward: Ward) -> None:
    ended = await quarantine("list", environment={"KREISFUNK_BROKER_URL": "amqp://quarantine:x@127.0.0.1:1/"})
    assert ended.status == 4
    assert "Is RabbitMQ up" in ended.complaint


async def test_what_a_terminal_obeys_is_shown_and_not_sent_to_it(ward: Ward) -> None:
    await ward.reject(
        "\x1b[31m-evil", b"\x1b]0;title\x07 \xc2\x9b2J \xe2\x80\xae", reason="\x1b[2J\nforged: line\r\x7f"
    )
    listed = await quarantine("list", environment=ward.without_keys)
    shown = await quarantine("show", "\x1b[31m", environment=ward.without_keys)
    for ended in (listed, shown):
        assert ended.status == 0, ended.everything
        assert not re.search(r"[^\n -~\u00a0-\u1fff]", ended.everything)
        assert "\\u001b[2J\\nforged: line" in ended.output
    assert "\\u001b]0;title\\u0007 \\u009b2J \\u202e" in shown.output
    assert (await quarantine("drop", "--all", "--yes", environment=ward.without_keys)).status == 0


async def test_a_rejected_notice_is_listed_shown_and_sent_back_without_a_key(ward: Ward) -> None:
    await ward.reject("nnnn-1", b'{"type": "notice"}')
    listed = await quarantine("list", environment=ward.without_keys)
    assert "notice" in listed.output
    assert "topic: unknown" in listed.output
    shown = await quarantine("show", "nnnn", environment=ward.without_keys)
    assert '"type": "notice"' in shown.output

    ended = await quarantine("replay", "nnnn", environment=ward.without_keys)

    assert (ended.status, ended.output) == (0, "nnnn-1: sent back to where notices are read\n")

    async def is_back() -> bool:
        return await ward.notices() == 1

    await wait_for(is_back)
    assert (await quarantine("list", environment=ward.without_keys)).output == "nothing is in quarantine\n"


async def test_the_login_reads_the_quarantine_and_nothing_else(ward: Ward) -> None:
    async with await aio_pika.connect(ward.login_url) as connection:
        for queue in (topology.SUBSCRIPTIONS_INBOUND.name, topology.SUBSCRIPTIONS_NOTICES.dead):
            channel = await connection.channel()
            with pytest.raises(ChannelAccessRefused):
                await (await channel.get_queue(queue, ensure=False)).get(fail=False)
