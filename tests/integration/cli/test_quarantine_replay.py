"""`kreisfunk quarantine replay` against a real broker: what is heard, what stays, what is lost by a kill."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.ingress.domain import translate
from services.ingress.domain.decoding import NotUnderstood, moment
from services.ingress.domain.findings import Problem
from services.ingress.domain.webhook import Timestamp
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses, InboundMessage, InboundMessages
from tests.integration.cli.commands import REPOSITORY
from tests.integration.cli.kept_webhooks import (
    NOW,
    RECENTLY,
    Ward,
    first_message,
    message,
    quarantine,
    texts,
)
from tests.servers import wait_for
from tests.unit.ingress.rules import INDEX, RULES
from tests.unit.ingress.webhooks import messages_body, status, text_message, value, webhook

LATER = int((NOW - timedelta(minutes=1)).timestamp())
LONG_AGO = str(int((NOW - timedelta(days=30)).timestamp()))


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
