"""`kreisfunk publish` and `withdraw` against a real notices API, and a real broker behind it."""

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from deploy.local.ports import LOOPBACK, reserve_ports
from shared.amqp import topology
from shared.contracts.envelope import read_envelope
from shared.contracts.notices import NoticePublished, NoticeWithdrawn
from tests.harness.commands import run_in_process, run_on_terminal, start_kreisfunk
from tests.harness.notices_api import NoticesApi, run_notices_api
from tests.harness.notices_county import text_of
from tests.integration.cli.notice_responder import (
    BROADCAST,
    NONE_TO_WITHDRAW,
    ONE_TO_WITHDRAW,
    SENT_TO_ALL,
    TAKEN_BACK,
    NoticeResponder,
    access,
)
from tests.servers import WAIT_TIMEOUT_SECONDS, wait_for

NOTICE = ("publish", "--topic", "strassensperrungen", "--headline", "L 149 gesperrt", "--text", "Bis 18 Uhr.")


async def test_an_accepted_notice_is_told_with_its_broadcast(api: NoticesApi, responder: NoticeResponder) -> None:
    ended = await run_in_process(*NOTICE, "--notice", "h-1", environment=access(api.url))
    assert (ended.status, ended.errors) == (0, "")
    assert ended.output == f"accepted: notice h-1 revision 1, broadcast {BROADCAST}\n"
    ((_, envelope, notice),) = responder.said
    assert isinstance(notice, NoticePublished)
    assert (envelope.subject, envelope.kreisfunksystem) == ("h-1", "pressestelle")
    assert envelope.source == "/landkreis-osterholz/pressestelle"
    assert envelope.expirytime is not None
    assert timedelta(hours=23, minutes=59) < envelope.expirytime - datetime.now(UTC) < timedelta(hours=24)


async def test_the_url_on_the_command_line_wins_and_the_token_may_be_a_file(
    api: NoticesApi, responder: NoticeResponder, tmp_path: Path
) -> None:
    (tmp_path / "kreisfunk_notices_api_token").write_text(f"{text_of('press')}\n")
    elsewhere = {
        "KREISFUNK_SECRETS_DIR": str(tmp_path),
        "KREISFUNK_NOTICES_API_URL": "https://127.0.0.1:1",
    }
    ended = await run_in_process(*NOTICE, "--url", f"{api.url}/", "--json", environment=elsewhere)
    assert (ended.status, ended.json["result"]) == (0, "accepted"), ended.everything
    assert text_of("press") not in ended.everything


async def test_everything_on_the_command_line_is_in_the_notice(api: NoticesApi, responder: NoticeResponder) -> None:
    link = "https://landkreis-osterholz.de/a"
    options = ("--link", link, "--expires-in", "2d", "--source", "/landkreis-osterholz/pressestelle")
    for more in (("--spread", "2h"), ("--urgent", "--follows", "n-0")):
        ended = await run_in_process(*NOTICE, *options, *more, environment=access(api.url))
        assert ended.status == 0, ended.everything
    (_, envelope, notice), (_, _, urgent) = responder.said
    content: dict[str, Any] = {"topic": "strassensperrungen", "headline": "L 149 gesperrt", "text": "Bis 18 Uhr."}
    content["link"] = link
    assert notice == NoticePublished(**content, spread_minutes=120)
    assert urgent == NoticePublished(**content, urgent=True, follows="n-0")
    assert envelope.expirytime is not None
    assert timedelta(hours=47, minutes=59) < envelope.expirytime - datetime.now(UTC) < timedelta(days=2)


async def test_scripts_get_one_json_object(api: NoticesApi, responder: NoticeResponder) -> None:
    accepted = await run_in_process(*NOTICE, "--notice", "h-3", "--json", environment=access(api.url))
    assert (accepted.json["result"], accepted.json["broadcast"]) == ("accepted", str(BROADCAST))
    wrong = ("publish", "--topic", "unknown", "--headline", " ", "--text", "x", "--json")
    problems = (await run_in_process(*wrong, environment=access(api.url))).json["problems"]
    assert [problem["field"] for problem in problems] == ["topic", "headline"]


async def test_a_withdrawn_notice_is_told(api: NoticesApi, responder: NoticeResponder) -> None:
    ended = await run_in_process("withdraw", "--notice", "h-7", "--reason", "geöffnet", environment=access(api.url))
    assert (ended.status, ended.output) == (0, "withdrawn: notice h-7\n"), ended.everything
    ((_, envelope, withdrawn),) = responder.said
    assert (envelope.subject, withdrawn) == ("h-7", NoticeWithdrawn(reason="geöffnet"))


@pytest.mark.parametrize(
    "wrong",
    [
        ("--expires-in", "soon"),
        ("--expires-at", "soon"),
        ("--expires-in", "1h", "--expires-at", "2030-01-01T00:00+01:00"),
        ("--revision", "0"),
        ("--spread", "slowly"),
        ("--watch", "--no-wait"),
        ("--url", "https://kreisfunk.example", "--stack", "nowhere"),
        ("--no-such-option",),
        ("--notice", "Gr\udcfc\udcdfe"),  # as of a shell that writes Latin-1
    ],
)
async def test_a_wrong_command_line_ends_before_anything_is_published(wrong: tuple[str, ...]) -> None:
    ended = await run_in_process(*NOTICE, *wrong, environment=access("http://127.0.0.1:1"))
    assert (ended.status, ended.output) == (2, "")
    assert "Traceback" not in ended.errors


@pytest.mark.parametrize(
    "option", [("--scheduled-at", "2030-01-01T08:00"), ("--follows", "n-1"), ("--urgent",), ("--revision", "2")]
)
async def test_a_file_says_all_of_it_and_no_option_beside_it_is_dropped(
    tmp_path: Path, option: tuple[str, ...]
) -> None:
    event = str(tmp_path / "event.json")
    ended = await run_in_process("publish", event, *option, environment=access("http://127.0.0.1:1"))
    assert (ended.status, ended.output) == (2, "")
    assert "not both" in ended.errors


async def test_a_stack_that_does_not_run_is_named() -> None:
    ended = await run_in_process(*NOTICE, "--stack", "nowhere", environment={})
    assert ended.status == 2
    assert "No stack runs in nowhere" in ended.errors


@pytest.mark.parametrize(
    ("typed", "status", "sent"), [("n", 1, 0), ("", 1, 0), ("jein", 1, 0), ("y", 0, 1), ("Ja", 0, 1)]
)
async def test_on_a_terminal_it_asks_with_what_is_expected(
    api: NoticesApi, responder: NoticeResponder, typed: str, status: int, sent: int
) -> None:
    ended = await run_on_terminal(*NOTICE, typed=typed, environment=access(api.url))
    assert (ended.status, len(responder.said)) == (status, sent), ended.everything
    assert ("Nothing was sent." in ended.errors) == (sent == 0)
    assert "3 people, 0.14 euros (utility), about 1 s, expires " in ended.errors
    assert "outside the permitted hours" in ended.errors


async def test_on_a_terminal_nothing_is_asked_with_yes_or_about_what_is_wrong(
    api: NoticesApi, responder: NoticeResponder
) -> None:
    ended = await run_on_terminal(*NOTICE, "--yes", typed="n", environment=access(api.url))
    assert (ended.status, len(responder.said), "[y/N]" in ended.errors) == (0, 1, False)
    wrong = ("--link", "https://elsewhere.example/x")
    ended = await run_on_terminal(*NOTICE, *wrong, typed="y", environment=access(api.url))
    assert (ended.status, len(responder.said), "[y/N]" in ended.errors) == (3, 1, False)


async def test_what_breaks_rules_is_told_with_each_field_and_sends_nothing(
    api: NoticesApi, responder: NoticeResponder
) -> None:
    wrong = ("--link", "https://elsewhere.example/x", "--municipality", "Nirgends")
    for more, status in (((), 3), (("--check",), 3), (("--watch",), 1)):
        ended = await run_in_process(*NOTICE, *wrong, *more, environment=access(api.url))
        assert ended.status == status, ended.everything
        assert {line.split(":")[0].strip() for line in ended.output.splitlines()[1:]} == {"link", "municipalities"}
    unset = await run_in_process(*NOTICE, "--notice", "", environment=access(api.url))
    assert (unset.status, "  notice: " in unset.output) == (3, True)
    valid = await run_in_process(*NOTICE, "--check", environment=access(api.url))
    assert (valid.status, responder.said) == (0, [])
    assert "3 people, 0.14 euros (utility), about 1 s, expires " in valid.output
    assert "outside the permitted hours" in valid.output


async def test_a_withdrawal_that_is_checked_takes_nothing_back_and_uses_no_id_up(
    api: NoticesApi, responder: NoticeResponder
) -> None:
    check = ("withdraw", "--notice", "h-4", "--check")
    responder.expected = ONE_TO_WITHDRAW
    ended = await run_in_process(*check, environment=access(api.url))
    assert (ended.status, "valid; nothing was sent" in ended.output) == (0, True), ended.everything
    responder.expected = NONE_TO_WITHDRAW
    ended = await run_in_process(*check, environment=access(api.url))
    assert (ended.status, ended.output.splitlines()[1:]) == (6, ["  no notice with this id is known"])
    assert responder.said == []


async def test_another_topic_or_source_says_who_can_help(api: NoticesApi, responder: NoticeResponder) -> None:
    for token, options in (("jobs", ()), ("press", ("--source", "/landkreis-osterholz/bauamt"))):
        ended = await run_in_process(*NOTICE, *options, environment=access(api.url, token))
        assert ended.status == 3, ended.everything
        assert "ask the operator" in ended.output
    assert responder.said == []


@pytest.mark.parametrize("token", ["late", "nobody"])
async def test_a_token_that_is_not_valid_is_told_and_not_shown(api: NoticesApi, token: str) -> None:
    ended = await run_in_process(*NOTICE, environment=access(api.url, token))
    assert (ended.status, ended.output) == (4, "")
    assert "refuses this token" in ended.errors
    assert text_of(token) not in ended.everything


@pytest.mark.parametrize("more", [(), ("--check",), ("--watch",)])
async def test_an_api_that_is_away_is_named(more: tuple[str, ...]) -> None:
    with reserve_ports(1) as (port,):
        ended = await run_in_process(*NOTICE, *more, environment=access(f"http://{LOOPBACK}:{port}"))
    assert (ended.status, ended.output) == (4, "")
    assert "cannot be reached" in ended.errors
    assert "Traceback" not in ended.errors


@pytest.mark.parametrize("url", ["http://kreisfunk.example", "kreisfunk.example", "https://user@kreisfunk.example"])
async def test_an_address_that_would_give_the_token_away_is_refused(url: str) -> None:
    ended = await run_in_process(*NOTICE, "--url", url, environment={"KREISFUNK_NOTICES_API_TOKEN": text_of("press")})
    assert (ended.status, ended.output) == (2, "")
    assert "https" in ended.errors


async def test_without_a_token_the_setting_is_named(api: NoticesApi) -> None:
    ended = await run_in_process(*NOTICE, "--url", api.url, environment={})
    assert ended.status == 2
    assert "KREISFUNK_NOTICES_API_TOKEN" in ended.errors


async def test_too_many_requests_are_told_with_when_to_try_again(broker_url: str, tmp_path: Path) -> None:
    async with run_notices_api(
        broker_url, tmp_path, settings={"KREISFUNK_NOTICES_API_REQUESTS_PER_MINUTE": "1"}
    ) as api:
        while (await api.ask("GET", f"/events/{'0' * 32}")).status != 429:
            pass
        ended = await run_in_process(*NOTICE, "--timeout", "0.1", environment=access(api.url))
    assert (ended.status, ended.output) == (4, "")
    assert "Try again in" in ended.errors


async def test_no_answer_in_time_is_told_as_what_it_is(api: NoticesApi) -> None:
    ended = await run_in_process(*NOTICE, "--notice", "h-4", "--timeout", "0.5", environment=access(api.url))
    assert (ended.status, ended.output) == (5, "")
    assert "notice h-4" in ended.errors
    assert "do not publish it again" in ended.errors


async def test_nobody_has_to_wait(api: NoticesApi) -> None:
    ended = await run_in_process(*NOTICE, "--notice", "h-5", "--no-wait", environment=access(api.url))
    assert (ended.status, ended.output) == (0, "published: notice h-5\n")


async def test_a_watched_notice_is_followed_to_its_end(api: NoticesApi, responder: NoticeResponder) -> None:
    responder.outcome = SENT_TO_ALL
    ended = await run_in_process(*NOTICE, "--notice", "h-6", "--watch", environment=access(api.url))
    assert ended.status == 0, ended.everything
    assert ended.output.splitlines()[-1] == "finished: notice h-6, 3 people: 2 accepted, 1 failed"


async def test_a_watched_notice_that_is_taken_back_ends_with_one(api: NoticesApi, responder: NoticeResponder) -> None:
    responder.outcome = TAKEN_BACK
    ended = await run_in_process(*NOTICE, "--watch", "--json", environment=access(api.url))
    assert ended.status == 1
    assert json.loads(ended.output.splitlines()[-1])["state"] == "cancelled"


@pytest.mark.parametrize("more", [(), ("--watch",)])
async def test_a_notice_whose_command_is_interrupted_is_told_as_perhaps_stored(
    api: NoticesApi, vhost: str, more: tuple[str, ...]
) -> None:
    command = (*NOTICE, "--notice", "h-8", "--yes", *more)
    process = await start_kreisfunk(*command, environment=access(api.url), stderr=asyncio.subprocess.PIPE)
    async with await aio_pika.connect(vhost) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(topology.SUBSCRIPTIONS_API_NOTICES.name, ensure=False)

        async def arrived() -> bool:
            stored = await queue.get(fail=False, no_ack=True)
            return stored is not None and read_envelope(stored.body).subject == "h-8"

        await wait_for(arrived)
    process.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(process.communicate(), WAIT_TIMEOUT_SECONDS)
    assert (process.returncode, "Traceback" in errors.decode()) == (130, False), errors
    assert "notice h-8 may be stored" in errors.decode()
    assert "kreisfunk withdraw --notice h-8 --check" in errors.decode()


async def test_on_a_terminal_the_id_of_the_notice_is_told_before_any_answer(api: NoticesApi) -> None:
    ended = await run_on_terminal(
        *NOTICE, "--notice", "h-9", "--yes", "--timeout", "0.5", typed="", environment=access(api.url)
    )
    assert (ended.status, "notice h-9" in ended.errors) == (5, True), ended.errors
