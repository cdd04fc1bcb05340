"""`kreisfunk quarantine` against a real broker, with the login and the keys of an operator."""

import re
from collections.abc import Mapping
from datetime import datetime

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused

from services.ingress.webhook.events import ParseProblem, ProblemKind
from shared.amqp import topology
from tests.factories.webhooks import PHONE
from tests.integration.cli.quarantine_harness import (
    KEYS,
    NOW,
    QuarantineHarness,
    build_text_webhook,
    run_quarantine,
)


async def test_an_empty_quarantine_is_told_as_such(ward: QuarantineHarness) -> None:
    ended = await run_quarantine("list", environment=ward.without_keys)
    assert (ended.status, ended.output) == (0, "nothing is in quarantine\n")


@pytest.mark.foreign_messages("quarantine may hold what is no message of ours")
async def test_the_list_needs_no_key_and_names_nobody(ward: QuarantineHarness) -> None:
    await ward.put_webhook("aaaaaaaa-1", build_text_webhook(1), at=NOW)
    await ward.put_webhook("bbbbbbbb-1", b"{}", at=NOW, problems=[ParseProblem("not UTF-8", ProblemKind.NO_WEBHOOK)])
    await ward.put_event("cccccccc-1", b"what is this?")

    ended = await run_quarantine("list", environment=ward.without_keys)

    assert ended.status == 0
    lines = ended.output.splitlines()
    assert [line.split()[0] for line in lines] == ["id", "aaaaaaaa", "bbbbbbbb", "cccccccc"]
    assert "webhook: broken_part" in lines[1]
    assert "messages[0]: Object missing required field `timestamp`" in lines[1]
    assert "webhook: no_webhook" in lines[2]
    assert "not a message of ours" in lines[3]
    assert PHONE not in ended.everything
    await ward.wait_for_items(3)


async def test_the_list_for_scripts_has_everything(ward: QuarantineHarness) -> None:
    for number in range(3):
        await ward.put_webhook(f"id-{number}", b"{}", at=NOW)
    ended = await run_quarantine("list", "--limit", "2", "--json", environment=ward.without_keys)
    assert ended.json["total"] == 3
    assert [it["id"] for it in ended.json["items"]] == ["id-0", "id-1"]
    assert ended.json["items"][0] | {"since": ""} == {
        "id": "id-0",
        "kind": "webhook: broken_part",
        "system": "",
        "since": "",
        "size": 2,
        "reason": "messages[0]: Object missing required field `timestamp`",
    }
    await ward.wait_for_items(3)
    plain = await run_quarantine("list", "--limit", "2", environment=ward.without_keys)
    assert plain.output.endswith("1 more: --limit 3\n")
    await ward.wait_for_items(3)
    assert await ward.take_ids() == ["id-0", "id-1", "id-2"]


async def test_one_is_opened_by_the_beginning_of_its_id(ward: QuarantineHarness) -> None:
    await ward.put_webhook("aaaa-1", build_text_webhook(1), at=NOW)
    await ward.put_webhook("bbbb-1", b"Start \xff", at=NOW)

    ended = await run_quarantine("show", "aaaa", environment=ward.environment)
    assert ended.status == 0
    assert f'"from": "{PHONE}"' in ended.output
    assert "may name people" in ended.errors

    await ward.wait_for_items(2)
    assert "Start \\xff" in (await run_quarantine("show", "bbbb", environment=ward.environment)).output


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({}, "no encryption key is set"),
        ({"KREISFUNK_ENCRYPTION_KEYS": KEYS["KREISFUNK_ENCRYPTION_KEYS"].replace("1:", "2:")}, "not in the ring"),
        ({"KREISFUNK_ENCRYPTION_KEYS": f"1:{KEYS['KREISFUNK_INDEX_KEY']}"}, "cannot be decrypted with this key"),
    ],
)
async def test_without_the_right_key_it_stays_closed_and_says_what_to_do(
    ward: QuarantineHarness, keys: Mapping[str, str], complaint: str
) -> None:
    await ward.put_webhook("aaaa", build_text_webhook(1), at=NOW)
    ended = await run_quarantine("show", "aaaa", environment={**ward.without_keys, **keys})
    assert (ended.status, ended.output) == (3, "")
    assert complaint in ended.errors
    assert "KREISFUNK_ENCRYPTION_KEYS" in ended.errors
    await ward.wait_for_items(1)


@pytest.mark.parametrize("command", [("show", "aaa"), ("replay", "aaa"), ("drop", "aaa", "--yes"), ("show", "zzz")])
async def test_what_is_not_there_or_not_one_is_refused(ward: QuarantineHarness, command: tuple[str, ...]) -> None:
    await ward.put_webhook("aaa1", build_text_webhook(1), at=NOW)
    await ward.put_webhook("aaa2", build_text_webhook(2), at=NOW)
    ended = await run_quarantine(*command, environment=ward.environment)
    assert ended.status == 3
    assert "in quarantine has an id that begins with" in ended.errors
    await ward.wait_for_items(2)


async def test_dropping_asks_first(ward: QuarantineHarness) -> None:
    await ward.put_webhook("aaaa", build_text_webhook(1), at=NOW)
    ended = await run_quarantine("drop", "aaaa", environment=ward.without_keys)
    assert ended.status == 2
    assert "--yes" in ended.errors
    await ward.wait_for_items(1)


async def test_dropping_takes_one_or_all_away_and_needs_no_key(ward: QuarantineHarness) -> None:
    for name in ("aaaa", "bbbb", "cccc"):
        await ward.put_webhook(name, build_text_webhook(1), at=NOW)
    one = await run_quarantine("drop", "bbbb", "--yes", environment=ward.without_keys)
    assert (one.status, one.output) == (0, "dropped: 1\n")
    await ward.wait_for_items(2)
    rest = await run_quarantine("drop", "--all", "--yes", "--json", environment=ward.without_keys)
    assert (rest.status, rest.json) == (0, {"dropped": 2})
    assert await ward.take_ids() == []


@pytest.mark.parametrize(
    "command", [("replay",), ("drop", "--yes"), ("drop", "", "--yes"), ("replay", "aaaa", "--all")]
)
async def test_one_or_all_has_to_be_said(ward: QuarantineHarness, command: tuple[str, ...]) -> None:
    ended = await run_quarantine(*command, environment=ward.environment)
    assert ended.status == 2
    assert "--all" in ended.errors


async def test_a_broker_that_is_away_is_named(ward: QuarantineHarness) -> None:
    ended = await run_quarantine("list", environment={"KREISFUNK_BROKER_URL": "amqp://quarantine:x@127.0.0.1:1/"})
    assert ended.status == 4
    assert "Is RabbitMQ up" in ended.errors


async def test_what_a_terminal_obeys_is_shown_and_not_sent_to_it(ward: QuarantineHarness) -> None:
    await ward.put_rejected(
        "\x1b[31m-evil", b"\x1b]0;title\x07 \xc2\x9b2J \xe2\x80\xae", problem="\x1b[2J\nforged: line\r\x7f"
    )
    listed = await run_quarantine("list", environment=ward.without_keys)
    shown = await run_quarantine("show", "\x1b[31m", environment=ward.without_keys)
    for ended in (listed, shown):
        assert ended.status == 0, ended.everything
        assert not re.search(r"[^\n -~\u00a0-\u1fff]", ended.everything)
        assert "\\u001b[2J\\nforged: line" in ended.output
    assert "\\u001b]0;title\\u0007 \\u009b2J \\u202e" in shown.output
    assert (await run_quarantine("drop", "--all", "--yes", environment=ward.without_keys)).status == 0


async def test_a_rejected_notice_is_listed_shown_and_sent_back_without_a_key(ward: QuarantineHarness) -> None:
    await ward.put_rejected("nnnn-1", b'{"type": "notice"}')
    listed = await run_quarantine("list", environment=ward.without_keys)
    assert listed.output.splitlines()[1].split()[:3] == ["nnnn-1", "notice", "bauamt"]
    [item] = (await run_quarantine("list", "--json", environment=ward.without_keys)).json["items"]
    assert (item["reason"], item["size"], datetime.fromisoformat(item["since"])) == ("topic: unknown", 18, NOW)
    shown = await run_quarantine("show", "nnnn", environment=ward.without_keys)
    assert "system: bauamt" in shown.output
    assert '"type": "notice"' in shown.output

    ended = await run_quarantine("replay", "nnnn", environment=ward.without_keys)

    assert (ended.status, ended.output) == (0, "nnnn-1: sent back to its queue\n")
    await ward.wait_for_items(1, topology.SUBSCRIPTIONS_NOTICES.name)
    assert (await run_quarantine("list", environment=ward.without_keys)).output == "nothing is in quarantine\n"


async def test_a_rejected_notice_whose_system_gave_no_id_has_one_here(ward: QuarantineHarness) -> None:
    for text in (b'{"topic": "first"}', b'{"topic": "second"}'):
        await ward.put_rejected(None, text)
    listed = (await run_quarantine("list", "--json", environment=ward.without_keys)).json["items"]
    first, second = (item["id"] for item in listed)
    shown = await run_quarantine("show", first[:8], environment=ward.without_keys)
    assert (shown.status, "first" in shown.output) == (0, True), shown.everything
    dropped = await run_quarantine("drop", second[:8], "--yes", environment=ward.without_keys)
    assert dropped.output == "dropped: 1\n"
    [left] = (await run_quarantine("list", "--json", environment=ward.without_keys)).json["items"]
    assert left["id"] == first
    assert (await run_quarantine("drop", first, "--yes", environment=ward.without_keys)).status == 0


async def test_the_login_reads_the_quarantine_and_nothing_else(ward: QuarantineHarness) -> None:
    async with await aio_pika.connect(ward.login_url) as connection:
        for queue in (topology.SUBSCRIPTIONS_INBOUND.name, topology.SUBSCRIPTIONS_NOTICES.dead_letter_queue):
            channel = await connection.channel()
            with pytest.raises(ChannelAccessRefused):
                await (await channel.get_queue(queue, ensure=False)).get(fail=False)
