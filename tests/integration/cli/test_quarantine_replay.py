"""`kreisfunk quarantine replay` against a real broker: what is heard, what stays, what is lost by a kill."""

import signal
from asyncio.subprocess import DEVNULL
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.ingress.webhook import translate
from services.ingress.webhook.decoding import ParseError, parse_timestamp
from services.ingress.webhook.events import ParseProblem
from services.ingress.webhook.payloads import Timestamp
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses, InboundMessage, InboundMessages
from tests.factories.webhook_rules import INDEX, RULES
from tests.factories.webhooks import (
    build_messages_body,
    build_status,
    build_text_message,
    build_value,
    build_webhook,
)
from tests.harness.commands import start_kreisfunk
from tests.integration.cli.quarantine_harness import (
    KEYS,
    NOW,
    RECENTLY,
    QuarantineHarness,
    build_text_webhook,
    run_quarantine,
    take_texts,
    watch_first_message,
)
from tests.servers import wait_for

LATER = int((NOW - timedelta(minutes=1)).timestamp())
LONG_AGO = str(int((NOW - timedelta(days=30)).timestamp()))


async def test_what_is_understood_today_is_sent_on_and_leaves(ward: QuarantineHarness) -> None:
    body = build_webhook(
        build_value(
            messages=[build_text_message(1, timestamp=RECENTLY)],
            statuses=[build_status(number) for number in range(250)],
        )
    )
    await ward.put_webhook("aaaa", body, at=NOW)

    ended = await run_quarantine("replay", "aaaa", environment=ward.environment)

    assert (ended.status, ended.output) == (0, "aaaa: 251 published, 0 not for us\n")
    [group] = await ward.queues.take(InboundMessages)
    assert group.messages[0].message_key == INDEX.compute_index("wamid", "wamid.IN00000001")
    assert group.messages[0].received_at == NOW
    statuses = await ward.queues.take(DeliveryStatuses)
    assert [it.delivery for group in statuses for it in group.statuses] == [f"delivery-{it}" for it in range(250)]
    assert await ward.take_ids() == []


async def test_with_another_number_nothing_leaves(ward: QuarantineHarness) -> None:
    """Such as the phone number in place of its id."""
    await ward.put_webhook("aaaa", build_messages_body(build_text_message(1, "Stop", timestamp=RECENTLY)), at=NOW)
    wrong = {**ward.environment, "KREISFUNK_PHONE_NUMBER_ID": "4947919300"}
    ended = await run_quarantine("replay", "aaaa", environment=wrong)
    assert (ended.status, "KREISFUNK_PHONE_NUMBER_ID" in ended.output) == (3, True)
    assert (await run_quarantine("replay", "aaaa", environment=ward.environment)).status == 0
    assert await take_texts(ward) == ["Stop"]


async def test_what_is_still_not_understood_stays_and_its_neighbours_are_sent_on(ward: QuarantineHarness) -> None:
    await ward.put_webhook(
        "aaaa", build_messages_body(build_text_message(1, "Stop", timestamp=RECENTLY), {"id": 7}), at=NOW
    )

    ended = await run_quarantine("replay", "--all", "--json", environment=ward.environment)

    assert ended.status == 3
    [result] = ended.json["replayed"]
    assert (result["id"], result["done"], result["published"]) == ("aaaa", False, 1)
    assert result["problems"] == ["messages[1]: id: Expected `str`, got `int`"]
    assert await take_texts(ward) == ["Stop"]
    await ward.wait_for_items(1)


async def test_of_what_was_kept_part_by_part_a_replay_after_an_update_hears_the_bad_parts_alone(
    ward: QuarantineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = build_webhook(
        build_value(
            messages=[
                build_text_message(1, "Hallo", timestamp=RECENTLY),
                build_text_message(2, "Stop", timestamp=LATER),
                build_text_message(3, "Start", timestamp=RECENTLY, context="wamid.OUT1"),
                {"id": 7},
            ],
            statuses=[build_status(1), build_status(2, "read", timestamp=LATER), build_status(3, "failed", pricing=7)],
        )
    )
    with monkeypatch.context() as before_the_update:
        before_the_update.setattr(translate, "parse_timestamp", knows_no_later)
        parsed = translate.parse_webhook(body, RULES)
    assert [type(event) for event in parsed.events] == [InboundMessage] * 2 + [DeliveryStatus] * 2
    await ward.put_webhook("part", body, at=NOW, problems=parsed.problems)
    await ward.wait_for_items(5)

    listed = await run_quarantine("list", "--json", environment=ward.without_keys)
    ended = await run_quarantine("replay", "--all", "--json", environment=ward.environment)

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
    assert await take_texts(ward) == ["Stop"]
    [group] = await ward.queues.take(DeliveryStatuses)
    assert [it.delivery for it in group.statuses] == ["delivery-2"]
    assert await ward.take_ids() == ["part1", "part2", "part4"]


def knows_no_later(timestamp: Timestamp) -> datetime:
    if timestamp == LATER:
        raise ParseError("timestamp is of a sort that is not known")
    return parse_timestamp(timestamp)


async def test_of_a_field_without_which_it_was_heard_a_status_is_sent_again_and_a_message_is_not(
    ward: QuarantineHarness,
) -> None:
    messages = [build_text_message(1, "Stop", timestamp=LONG_AGO, image={"caption": 7})]
    statuses = [build_status(1, "failed", errors={"code": 131026})]
    problems = translate.parse_webhook(build_webhook(build_value(messages=messages, statuses=statuses)), RULES).problems
    mended = [mend(problem, b'"caption": 7', b'"caption": "7"') for problem in problems]
    mended = [mend(problem, b'{"code": 131026}', b'[{"code": 131026}]') for problem in mended]
    await ward.put_webhook("part", b"", at=NOW, problems=mended)

    ended = await run_quarantine("replay", "--all", environment=ward.environment)

    assert (ended.status, ended.output) == (0, "part: 0 published, 0 not for us\npart1: 1 published, 0 not for us\n")
    assert await take_texts(ward) == []
    [group] = await ward.queues.take(DeliveryStatuses)
    assert [(it.status, it.error_code) for it in group.statuses] == [("failed", 131026)]
    assert await ward.take_ids() == []


def mend(problem: ParseProblem, broken: bytes, whole: bytes) -> ParseProblem:
    return replace(problem, part=problem.part and problem.part.replace(broken, whole))


async def test_what_nobody_remembers_any_more_is_not_sent_on(ward: QuarantineHarness) -> None:
    body = build_webhook(build_value(messages=[build_text_message(1, timestamp=LONG_AGO)], statuses=[build_status(1)]))
    await ward.put_webhook("aaaa", body, at=NOW)

    ended = await run_quarantine("replay", "aaaa", environment=ward.environment)

    assert ended.status == 3
    assert ended.output == "aaaa: 1 published, 0 not for us, 1 too old to be sent on; stays in quarantine\n"
    assert await take_texts(ward) == []
    assert len(await ward.queues.take(DeliveryStatuses)) == 1
    await ward.wait_for_items(1)


async def test_a_replay_needs_keys_and_number_before_it_touches_anything(ward: QuarantineHarness) -> None:
    await ward.put_webhook("aaaa", build_text_webhook(1), at=NOW)
    ended = await run_quarantine("replay", "--all", environment=ward.without_keys)
    assert ended.status == 3
    assert "index key" in ended.errors
    assert await take_texts(ward) == []
    await ward.wait_for_items(1)


@pytest.mark.foreign_messages("quarantine may hold what is no message of ours")
async def test_what_cannot_be_read_stays_with_its_problem_and_the_others_are_sent_on(ward: QuarantineHarness) -> None:
    older = KEYS["KREISFUNK_ENCRYPTION_KEYS"].replace("1:", "2:")
    await ward.put_event("aaaa", b"what is this?")
    await ward.put_webhook("bbbb", build_text_webhook(1), at=NOW)
    await ward.put_rejected("cccc", b"{}")

    alone = await run_quarantine("replay", "aaaa", environment=ward.environment)
    await ward.wait_for_items(2)
    ended = await run_quarantine(
        "replay", "--all", "--json", environment={**ward.environment, "KREISFUNK_ENCRYPTION_KEYS": older}
    )

    problem = "still not parsed: not a message of ours; stays in quarantine"
    assert (alone.status, alone.output) == (3, f"aaaa: 0 published, 0 not for us, {problem}\n")
    assert ended.status == 3
    results = {it["id"]: (it["done"], "".join(it["problems"])) for it in ended.json["replayed"]}
    assert results.keys() == {"aaaa", "bbbb", "cccc"}
    assert results["aaaa"] == (False, "not a message of ours")
    assert "not in the ring" in results["bbbb"][1]
    assert results["cccc"] == (True, "")
    await ward.wait_for_items(2)


async def test_a_replay_that_is_killed_loses_nothing_and_goes_on(ward: QuarantineHarness) -> None:
    everything = {f"message {number}" for number in range(300)}
    for number in range(300):
        body = build_messages_body(build_text_message(number, f"message {number}", timestamp=RECENTLY))
        await ward.put_webhook(f"id-{number:03}", body, at=NOW)

    async with watch_first_message(ward.channel) as came:
        process = await start_kreisfunk(
            "quarantine", "replay", "--all", environment=ward.environment, stdout=DEVNULL, stderr=DEVNULL
        )
        await came.wait()
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL

    sent = {*await take_texts(ward)}
    assert sent

    async def the_rest_is_sent() -> bool:
        """Not at once: the broker has to notice that the first connection is gone."""
        assert (await run_quarantine("replay", "--all", environment=ward.environment)).status == 0
        sent.update(await take_texts(ward))
        return sent == everything

    await wait_for(the_rest_is_sent)
    assert await ward.take_ids() == []
