"""From the button to the notices API: whatever dies on the way, the notice goes out once, and the page is right."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import msgspec
import pytest

from shared.amqp import topology
from shared.contracts.envelope import read_envelope
from shared.contracts.notices import NoticeCheck
from shared.notices.rules import parse_notice
from tests.databases import FreshDatabase
from tests.harness.newsroom import NewsroomProcess, run_newsroom
from tests.harness.notices_api import NoticesApi, run_notices_api
from tests.harness.notices_county import TOKENS, text_of, token, write_tokens
from tests.harness.notices_proxy import NoticesProxy, run_notices_proxy
from tests.harness.service_login import service_login
from tests.harness.writing import WritingHarness, count_publications, parse_draft_id
from tests.servers import Servers, fetch_until, wait_for, wait_until_equal

SENT = 'kreisfunk_newsroom_publications_total{{result="{}"}}'


@pytest.fixture(scope="module")
async def api(
    servers: Servers, vhost: str, newsroom_broker: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NoticesApi]:
    """The real notices API, with a token of the newsroom's system."""
    async with (
        service_login(servers, vhost, "notices") as url,
        run_notices_api(url, tmp_path_factory.mktemp("notices")) as running,
    ):
        write_tokens(running.tokens_file, *TOKENS, token("newsroom", "redaktion"))
        yield running


@pytest.fixture(scope="module")
async def proxy(api: NoticesApi) -> AsyncIterator[NoticesProxy]:
    async with run_notices_proxy(api.url) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newsroom")


@pytest.fixture(scope="module")
async def newsroom(
    newsroom_broker: str, module_database: FreshDatabase, proxy: NoticesProxy, folder: Path
) -> AsyncIterator[NewsroomProcess]:
    settings = {"KREISFUNK_NOTICES_API_TOKEN": text_of("newsroom")}
    async with run_newsroom(
        newsroom_broker, module_database, folder, notices_api_url=proxy.url, settings=settings
    ) as running:
        yield running


async def approve(anna: WritingHarness, ben: WritingHarness, **changes: object) -> str:
    """The path of a draft that may be published; nobody answers checks here, so it always takes two."""
    path = await anna.begin(**changes)
    assert (await anna.act(path, "einreichen")).status == 303
    assert (await ben.act(path, "freigeben")).status == 303
    return path


async def take_events(vhost: str, headline: str) -> list[Any]:
    """The notices with this headline that stand in the queue of subscriptions; it is empty afterwards."""
    taken = []
    async with await aio_pika.connect(vhost) as connection:
        queue = await (await connection.channel()).get_queue(topology.SUBSCRIPTIONS_API_NOTICES.name, ensure=False)
        while incoming := await queue.get(fail=False):
            await incoming.ack()
            if incoming.routing_key != NoticeCheck.KEY:
                taken.append(read_envelope(incoming.body))
    return [each for each in taken if msgspec.json.decode(each.data).get("headline") == headline]


async def wait_for_state(newsroom: NewsroomProcess, path: str, state: str) -> None:
    find = "select state from newsroom.publication where draft = $1 order by created_at desc limit 1"
    await wait_until_equal(lambda: newsroom.owner.fetchval(find, parse_draft_id(path)), state)


async def test_a_notice_is_handed_over_as_a_cloudevent_of_the_newsroom(
    newsroom: NewsroomProcess, anna: WritingHarness, ben: WritingHarness, vhost: str
) -> None:
    headline = f"K {uuid4().hex[:6]} gesperrt"
    path = await approve(anna, ben, headline=headline, municipalities=["Grasberg"])
    before = await newsroom.fetch_metric(SENT.format("accepted"))
    assert (await anna.send(path, "veroeffentlichen", 2)).location == path
    await wait_for_state(newsroom, path, "accepted")
    (event,) = await take_events(vhost, headline)
    assert (event.source, event.kreisfunksystem) == ("/landkreis-osterholz/redaktion", "redaktion")
    assert msgspec.json.decode(event.data)["municipalities"] == ["Grasberg"]
    assert "Die Meldung ist übergeben" in await anna.read(path)
    await wait_until_equal(lambda: newsroom.fetch_metric(SENT.format("accepted")), before + 1)


async def test_killed_between_sending_and_recording_it_publishes_once(
    newsroom: NewsroomProcess, proxy: NoticesProxy, anna: WritingHarness, ben: WritingHarness, vhost: str
) -> None:
    headline = f"K {uuid4().hex[:6]} gesperrt"
    path = await approve(anna, ben, headline=headline)
    proxy.answered.clear()
    proxy.before_answer = newsroom.child.kill
    await anna.send(path, "veroeffentlichen", 2)
    await newsroom.child.wait()
    assert proxy.answered == [202]
    await newsroom.child.start()
    await wait_for(newsroom.is_ready)
    await wait_for_state(newsroom, path, "accepted")
    assert proxy.answered == [202, 202]
    events = await take_events(vhost, headline)
    assert len({(event.source, event.id, parse_notice(event).fingerprint) for event in events}) == 1
    assert await count_publications(newsroom.owner, path) == 1


async def test_while_the_notices_api_is_away_the_page_says_so_and_nobody_has_to_do_anything(
    newsroom: NewsroomProcess, api: NoticesApi, anna: WritingHarness, ben: WritingHarness, vhost: str
) -> None:
    headline = f"K {uuid4().hex[:6]} gesperrt"
    path = await approve(anna, ben, headline=headline)
    await api.child.stop()
    try:
        assert (await anna.send(path, "veroeffentlichen", 2)).status == 303
        await fetch_until(lambda: anna.read(path), lambda found: "antwortet noch nicht" in found)
        assert "nicht bekannt" in await anna.read(f"{await anna.begin()}/pruefung")
        assert await newsroom.fetch_metric(SENT.format("unanswered")) >= 1
    finally:
        await api.child.start()
    await wait_for_state(newsroom, path, "accepted")
    assert len(await take_events(vhost, headline)) == 1


async def test_what_the_notices_api_rejects_comes_back_with_the_reason(
    newsroom: NewsroomProcess, api: NoticesApi, anna: WritingHarness, ben: WritingHarness
) -> None:
    """As when its time ran out while the notices API was away."""
    path = await approve(anna, ben)
    await api.child.stop()
    try:
        await anna.send(path, "veroeffentlichen", 2)
        await newsroom.owner.execute(
            "update newsroom.publication set body = jsonb_set(body, '{expirytime}', '\"2026-01-01T00:00:00Z\"')"
            " where draft::text = $1",
            path[-36:],
        )
    finally:
        await api.child.start()
    await wait_for_state(newsroom, path, "rejected")
    shown = await anna.read(path)
    assert "Niemand hat sie bekommen" in shown
    assert "Dieser Zeitpunkt ist schon vorbei" in shown
    assert await newsroom.fetch_metric(SENT.format("rejected")) >= 1
    assert (await anna.save(path, text="Noch einmal.")).status == 303


async def test_a_check_that_is_refused_stops_the_notice_before_it_is_handed_over(
    api: NoticesApi, anna: WritingHarness, ben: WritingHarness
) -> None:
    path = await approve(anna, ben)
    write_tokens(api.tokens_file, *TOKENS, token("newsroom", "redaktion", topics=("baustellen",)))
    try:
        assert (await anna.send(path, "veroeffentlichen", 2)).status == 422
        assert "zu dem die Redaktion veröffentlichen darf" in await anna.read(f"{path}/pruefung")
    finally:
        write_tokens(api.tokens_file, *TOKENS, token("newsroom", "redaktion"))
    assert await anna.owner.fetchval("select state from newsroom.draft where id::text = $1", path[-36:]) == "approved"


async def test_a_revoked_token_is_no_fault_of_the_notice(
    newsroom: NewsroomProcess, api: NoticesApi, anna: WritingHarness, ben: WritingHarness, vhost: str
) -> None:
    headline = f"K {uuid4().hex[:6]} gesperrt"
    path = await approve(anna, ben, headline=headline)
    write_tokens(api.tokens_file, *TOKENS)
    await anna.send(path, "veroeffentlichen", 2)
    tries = "select tries from newsroom.publication where draft::text = $1"
    await wait_for(lambda: newsroom.owner.fetchval(tries, path[-36:]))
    write_tokens(api.tokens_file, *TOKENS, token("newsroom", "redaktion"))
    await wait_for_state(newsroom, path, "accepted")
    assert len(await take_events(vhost, headline)) == 1
