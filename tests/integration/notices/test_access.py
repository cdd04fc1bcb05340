"""Access: valid tokens get in, and others learn nothing."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from tests.harness.notices_api import (
    BATCH,
    PUBLISHED,
    UPDATED,
    WITHDRAWN,
    Answer,
    NoticesApi,
    data,
    event,
    run_notices_api,
)
from tests.harness.notices_county import PRESS, ROADS_SOURCE, TOKENS, text_of, token, write_tokens
from tests.integration.notices.conftest import NoticeQueue, Telling, build_acceptance
from tests.servers import fetch_until, wait_for


def seen(answer: Answer) -> tuple[int, str, dict[str, str]]:
    return answer.status, answer.text, {name: value for name, value in answer.headers.items() if name != "Date"}


async def test_no_token_wrong_ones_withdrawn_and_late_ones_get_the_same_answer(api: NoticesApi) -> None:
    content = event(data=data())
    without = await api.publish(content, token=None)
    assert without.status == 401
    assert without.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "`Authorization: Bearer TOKEN`" in without.body["detail"]
    for wrong in ("late", "gone", "unknown", "kreisfunk_", text_of("press")[:-1] + "y", text_of("press") + "x"):
        assert seen(await api.publish(content, token=wrong)) == seen(without), wrong
    for shown in ("Basic cHJlc3M6cHJlc3M=", "Bearer", f"Token {text_of('press')}", text_of("press"), "Bearer \xff" * 9):
        answer = await api.publish(content, token=None, headers={"Authorization": shown})
        assert seen(answer) == seen(without), shown


PATHS = (
    ("POST", "/notices"),
    ("GET", "/notices"),
    ("POST", "/notices/check"),
    ("GET", "/events/{event}"),
    ("GET", f"/events/{'0' * 32}"),
)


async def test_no_path_tells_a_stranger_what_there_is(broker_url: str, tmp_path: Path) -> None:
    """Whatever is asked for, and however the token is not right, the answer is the same one."""
    async with run_notices_api(broker_url, tmp_path) as api:
        event_path = (await api.publish(event(data=data()))).body["event"]
        write_tokens(api.tokens_file, *TOKENS, token("withdrawn", PRESS))
        assert (await api.publish(event(data=data()), token="withdrawn")).status == 202
        write_tokens(api.tokens_file, *TOKENS)
        answers = [
            seen(await api.ask(method, path.format(event=event_path.removeprefix("/events/")), token=wrong))
            for method, path in PATHS
            for wrong in (None, "unknown", "withdrawn", "late")
        ]
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_what_another_system_published_is_as_unknown_as_what_nobody_did(api: NoticesApi, accept: str) -> None:
    path = (await api.publish(event(data=data()))).body["event"]
    assert (await api.ask("GET", path)).status == 200
    headers = {"Accept": accept}
    theirs = await api.ask("GET", path, token="roads", headers=headers)
    nobodys = await api.ask("GET", f"/events/{'0' * 32}", token="roads", headers=headers)
    assert theirs.status == 404
    assert seen(theirs) == seen(nobodys)


async def test_a_token_for_some_topics_follows_its_own_event_before_and_after_it_is_accepted(
    api: NoticesApi, tell: Telling
) -> None:
    sent = event(data=data(topic="stellen"))
    path = (await api.publish(sent, token="jobs")).body["event"]
    assert (await api.ask("GET", path, token="jobs")).body["state"] == "received"
    await tell(build_acceptance(sent, topic="stellen"))
    await fetch_until(lambda: api.ask("GET", path, token="jobs"), lambda found: found.body["state"] == "accepted")


async def test_a_stream_ends_when_its_event_is_accepted_on_a_topic_of_another_token(
    api: NoticesApi, tell: Telling
) -> None:
    sent = event(data=data())
    path = (await api.publish(sent)).body["event"]
    following = asyncio.create_task(api.ask("GET", path, token="jobs", headers={"Accept": "text/event-stream"}))
    await tell(build_acceptance(sent, topic="x", audience=4711))
    assert "4711" not in (await following).text


async def test_tokens_come_and_go_without_a_restart(api: NoticesApi, notices: NoticeQueue) -> None:
    new = token("new", PRESS)
    assert (await api.publish(event(data=data()), token="new")).status == 401
    write_tokens(api.tokens_file, *TOKENS, new)
    assert (await api.publish(event(data=data()), token="new")).status == 202
    write_tokens(api.tokens_file, *TOKENS)
    assert (await api.publish(event(data=data()), token="new")).status == 401
    assert len(await notices.take()) == 1


async def test_a_damaged_file_lets_nobody_in_until_it_is_mended(api: NoticesApi) -> None:
    api.tokens_file.write_text('{"tokens": [{')
    for path in ("/notices", "/notices/check"):
        answer = await api.publish(event(data=data()), path=path)
        assert (answer.status, "Retry-After" in answer.headers) == (503, True)
    assert (await api.ask("GET", "/notices")).status == 503
    write_tokens(api.tokens_file, *TOKENS)
    assert (await api.publish(event(data=data()))).status == 202
    assert "tokens_unreadable" in api.log


async def test_another_topic_and_a_foreign_source_are_forbidden(api: NoticesApi, notices: NoticeQueue) -> None:
    """An unknown one is refused like one of another system."""
    topics = [
        await api.publish(event(data=data(topic=topic), source=ROADS_SOURCE), token="roads")
        for topic in ("stellen", "geheimes")
    ]
    sources = [await api.publish(event(data=data(), source=source)) for source in (ROADS_SOURCE, "/no/such/source")]
    for field, (others, nobodys) in (("topic", topics), ("source", sources)):
        assert (others.status, others.fields) == (403, [field]), others.text
        assert seen(others) == seen(nobodys)
    answer = await api.publish(event(data=data()), token="jobs")
    assert (answer.status, answer.fields) == (403, ["topic"])
    answer = await api.post([event(data=data()), event(data=data(), source=ROADS_SOURCE)], BATCH)
    assert (answer.status, answer.body["errors"][0]["event"]) == (403, 1)
    assert await notices.take() == []


async def test_what_a_token_for_some_topics_sends_is_bound_to_them_whatever_it_says(
    api: NoticesApi, notices: NoticeQueue
) -> None:
    mine = event(data=data(topic="stellen"), kreisfunktopics="strassensperrungen")
    whole: tuple[tuple[str, dict[str, object]], ...] = (
        (PUBLISHED, data(topic="stellen")),
        (UPDATED, data(topic="stellen", revision=2)),
        (WITHDRAWN, {}),
    )
    for kind, content in whole:
        answer = await api.publish({**mine, "id": uuid4().hex, "type": kind, "data": content}, token="jobs")
        assert answer.status == 202, answer.text
    assert {found["kreisfunktopics"] for found, _ in await notices.take()} == {"stellen"}
    assert (await api.publish(event(data=data(), kreisfunktopics="stellen"))).status == 202
    [(found, _)] = await notices.take()
    assert "kreisfunktopics" not in found, "a token for all topics is bound to none"
    foreign = {**mine, "id": uuid4().hex, "type": UPDATED, "data": data(revision=2)}
    answer = await api.publish(foreign, token="jobs")
    assert (answer.status, answer.fields) == (403, ["topic"])


async def test_guessing_is_slowed_on_every_path_and_a_right_token_is_let_in_from_there(
    broker_url: str, tmp_path: Path
) -> None:
    async with run_notices_api(broker_url, tmp_path) as api:
        asked = [(*PATHS[n % len(PATHS)], f"guess{n}") for n in range(40)]
        statuses = [(await api.ask(how, path.format(event="1" * 32), token=name)).status for how, path, name in asked]
        assert statuses[:20] == [401] * 20
        assert statuses[20:].count(401) <= 5
        slowed = await api.publish({}, token="guess")
        assert (slowed.status, 1 <= int(slowed.headers["Retry-After"]) <= 3) == (429, True)
        assert (await api.publish(event(data=data()))).status == 202
        still = [(await api.publish({}, token=f"guess{n}")).status for n in range(5)]
        assert still.count(429) >= 4
        assert 'kreisfunk_notices_api_refused_total{reason="rate"}' in await api.fetch_metrics()


async def test_behind_a_proxy_the_client_is_who_it_says(broker_url: str, tmp_path: Path) -> None:
    async with run_notices_api(broker_url, tmp_path, settings={"KREISFUNK_NOTICES_API_PROXIES": "127.0.0.0/8"}) as api:
        for n in range(25):
            await api.publish({}, token=f"guess{n}", headers={"X-Forwarded-For": "9.9.9.9, 10.0.0.1"})
        blocked = await api.publish({}, token="guess", headers={"X-Forwarded-For": "10.0.0.1"})
        other = await api.publish({}, token="guess", headers={"X-Forwarded-For": "10.0.0.1, 10.0.0.2"})
        assert (blocked.status, other.status) == (429, 401)


async def test_a_token_is_used_so_often_and_no_more(broker_url: str, tmp_path: Path) -> None:
    async with run_notices_api(
        broker_url, tmp_path, settings={"KREISFUNK_NOTICES_API_REQUESTS_PER_MINUTE": "30"}
    ) as api:
        statuses = [(await api.publish(event(data=data()))).status for _ in range(8)]
        assert statuses[:5] == [202] * 5
        assert 429 in statuses
        assert (await api.publish(event(data=data()), path="/notices/check")).status == 429
        batch = [event(data=data(topic="stellen")) for _ in range(7)]
        answers = [await api.post(batch, BATCH, token="jobs") for _ in range(2)]
        assert [answer.status for answer in answers] == [202, 429], "each event of a batch counts"
        assert int(answers[1].headers["Retry-After"]) > 2


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/webhook", 404),
        ("GET", "/..%2f..%2fetc/passwd", 404),
        ("POST", "/notices/", 404),
        ("DELETE", "/notices", 405),
        ("TRACE", "/notices/check", 405),
    ],
)
async def test_what_is_not_there_is_a_problem_too(method: str, path: str, status: int, api: NoticesApi) -> None:
    answer = await api.ask(method, path)
    assert (answer.status, answer.fields) == (status, [])
    assert ("Allow" in answer.headers) == (status == 405)
    assert ("/docs lists" in answer.body["detail"]) == (status == 404)


async def test_no_answer_says_what_it_was_made_with(api: NoticesApi) -> None:
    for answer in (await api.publish(event(data=data())), await api.ask("GET", "/nowhere")):
        assert "Server" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_no_token_and_no_text_is_logged_or_counted(api: NoticesApi) -> None:
    await api.publish(event(data=data(headline="Geheimer Anlass")))
    await api.publish(event(data=data(text="Noch geheimer")), token="unknown")
    await wait_for(api.is_ready)
    told = api.log + await api.fetch_metrics()
    assert not [word for word in ("kreisfunk_press", "kreisfunk_unknown", "eheim", "sperrung-") if word in told]


async def test_a_system_lists_its_own_notices_and_a_token_those_of_its_topics(api: NoticesApi, tell: Telling) -> None:
    sent = event(data=data(topic="strassensperrungen"))
    assert (await api.publish(sent)).status == 202
    await tell(build_acceptance(sent, topic="strassensperrungen", headline="K 9 gesperrt"))

    async def listed(token: str) -> list[dict[str, object]]:
        answer = await api.ask("GET", "/notices", token=token)  # 503 until it has read what became of notices
        return [notice for notice in answer.body.get("notices", []) if notice["notice"] == sent["subject"]]

    await fetch_until(lambda: listed("press"), lambda found: [notice["state"] for notice in found] == ["accepted"])
    (notice,) = await listed("press")
    assert (notice["headline"], notice["topic"]) == ("K 9 gesperrt", "strassensperrungen")
    assert await listed("roads") == await listed("jobs") == []
    for accept in ("application/json", "text/event-stream"):
        of_another, nobodys = [
            await api.ask("GET", f"/events/{key}", token="jobs", headers={"Accept": accept})
            for key in (str(notice["event"]).removeprefix("/events/"), "0" * 32)
        ]
        assert of_another.status == 404
        assert seen(of_another) == seen(nobodys)
    assert (await api.ask("GET", "/notices", token="late")).status == 401
