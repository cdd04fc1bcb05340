"""The public archive over HTTP: what it shows, what it costs, and what it refuses."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from shared.database.pool import DatabaseUnavailable
from tests.databases import FreshDatabase
from tests.factories.archive import NOW, build_entry
from tests.harness.archive import KEEPS_DAYS, PHONE, ArchiveHarness, run_archive
from tests.harness.writing import add_broadcast
from tests.servers import Servers, run_as_superuser

HOSTILE = "</script></title><script>alert(1)</script><img src=x onerror=alert(1)> {{ 7*7 }} \" '"
PATHS = ("/", "/meldung/K7M2-Q9TX", "/pruefen", "/pruefen?code=K7M2-Q9TX", "/pruefen?code=zzz", "/anmelden")
OTHER_PATHS = ("/anmelden.svg", "/plakat", "/meldungen.rss", "/meldungen.atom", "/meldungen.json", "/nothing")
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture
async def archive(database: FreshDatabase) -> AsyncIterator[ArchiveHarness]:
    async with run_archive(database) as running:
        yield running


@pytest.fixture(scope="module")
async def shared(module_database: FreshDatabase) -> AsyncIterator[ArchiveHarness]:
    """One with an entry, for tests that change nothing."""
    async with run_archive(module_database) as running:
        await running.fill(build_entry())
        yield running


async def test_what_was_sent_is_there_after_a_refresh(archive: ArchiveHarness) -> None:
    entry = build_entry(municipalities=("Worpswede",), link="https://www.landkreis-osterholz.de/k8")
    await archive.fill(entry)
    status, listed = await archive.get("/?thema=baustellen&gemeinde=Worpswede")
    assert status == 200
    for shown in (entry.headline, entry.text, "Baustellen · Worpswede", "Freitag, 27. November 2026", "1 Meldung</h2>"):
        assert shown in listed
    assert (await archive.read("/?gemeinde=Lilienthal")).count(entry.headline) == 0
    status, page = await archive.get("/meldung/K7M2-Q9TX")
    assert status == 200
    for shown in (entry.headline, entry.text, "28. November 2026, 13:00 Uhr", "K7M2-Q9TX", entry.link or ""):
        assert shown in page
    for kind in ("rss", "atom", "json"):
        assert entry.headline in await archive.read(f"/meldungen.{kind}?thema=baustellen")


async def test_it_is_not_there_before_the_database_was_read(archive: ArchiveHarness) -> None:
    async with archive.session.get(archive.url) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert "Das Archiv startet gerade" in await response.text()
    assert archive.cache.measure_age_seconds() == float("inf")


@pytest.mark.parametrize(("path", "is_chosen"), [("/", False), ("/?thema=stellen", True)])
async def test_who_has_chosen_nothing_is_told_of_no_choice(archive: ArchiveHarness, path: str, is_chosen: bool) -> None:
    await archive.fill()
    shown = await archive.read(path)
    assert ("0 Meldungen</h2>" in shown, "Auswahl" in shown) == (True, is_chosen)


async def test_every_change_is_seen_and_nothing_is_read_again_that_has_not_changed(archive: ArchiveHarness) -> None:
    entry = build_entry(link="https://a.example/")
    year_ago = NOW - timedelta(days=KEEPS_DAYS, seconds=1)
    await archive.fill(entry, build_entry(code="0000000A", notice="old", published_at=year_ago))
    assert (await archive.get("/meldung/0000-000A"))[0] == 404, "after a year it is gone"
    for column in ("headline", "text", "link"):
        before = archive.cache.archive
        await archive.cache.refresh()
        assert archive.cache.archive is before
        change = f"update newsroom.archive_entry set {column} = 'https://{column}.example/' where notice = $1"  # noqa: S608
        await archive.database.execute(change, entry.notice)
        await archive.cache.refresh()
        assert f"{column}.example" in await archive.read("/meldung/K7M2-Q9TX")
    assert "ist abgelaufen" not in await archive.read("/meldung/K7M2-Q9TX")
    archive.clock.now = entry.expires_at
    await archive.cache.refresh()
    assert "ist abgelaufen" in await archive.read("/meldung/K7M2-Q9TX")


async def test_what_no_longer_stands_says_so(archive: ArchiveHarness) -> None:
    first = build_entry(code="00000001", replaced_by=2)
    second = build_entry(code="00000002", revision=2, headline="Neue Fassung")
    withdrawn = build_entry(code="00000003", notice="w", headline="Falsch", withdrawn_at=NOW)
    elsewhere = build_entry(code="00000004", notice="x", headline="Anderswo", replaced_by=2)
    await archive.fill(first, second, withdrawn, elsewhere)
    page = await archive.read("/meldung/0000-0001")
    assert 'href="/meldung/0000-0002">Zur neuesten Fassung: Neue Fassung</a>' in page
    for path in ("/meldung/0000-0003", "/pruefen?code=0000-0003"):
        page = await archive.read(path)
        assert "zurückgezogen" in page.lower()
        assert "<dt>Veröffentlicht</dt>" in page
        assert "ersandt" not in page.split("<main")[1].split("</main>")[0], "maybe nobody got it"
    assert "Diese Meldung ist zurückgezogen" in await archive.read("/meldung/0000-0003")
    codes = {"0000-0001": "Sollte gelten bis", "0000-0002": "Gilt bis", "0000-0003": "Sollte gelten bis"}
    for code, words in codes.items():
        assert re.findall("<dt>(.*? bis)</dt>", await archive.read(f"/meldung/{code}")) == [words]
    page = await archive.read("/meldung/0000-0004")
    assert "Es gibt eine neuere Fassung" in page
    assert "Zur neuesten Fassung" not in page
    listed = await archive.read("/")
    assert first.headline not in listed
    assert "Zurückgezogen" in listed


@pytest.mark.parametrize("cache", ["cache", "levels"])
async def test_while_the_database_is_away_everything_stays(
    archive: ArchiveHarness, database: FreshDatabase, servers: Servers, cache: str
) -> None:
    await archive.fill(build_entry())
    await archive.levels.refresh()
    await run_as_superuser(
        servers,
        f"alter database {database.name} allow_connections false",
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database.name}'",  # noqa: S608
    )
    with pytest.raises(DatabaseUnavailable):
        await getattr(archive, cache).refresh()
    archive.clock.now += timedelta(seconds=30)
    assert archive.cache.measure_age_seconds() == 30
    for path in (*PATHS, *OTHER_PATHS[:-1], "/tempo"):
        assert (await archive.get(path))[0] == 200, path
    await run_as_superuser(servers, f"alter database {database.name} allow_connections true")
    await archive.cache.refresh()
    assert archive.cache.measure_age_seconds() == 0


async def test_a_browser_that_has_it_gets_nothing(archive: ArchiveHarness) -> None:
    await archive.fill(build_entry())
    async with archive.session.get(archive.url) as response:
        tag, cached = response.headers["ETag"], response.headers["Cache-Control"]
        assert response.headers["Content-Encoding"] == "gzip"
        assert "public, max-age=15" in cached
    async with archive.session.get(archive.url, headers={"If-None-Match": f'"x", {tag}'}) as response:
        assert (response.status, await response.read()) == (304, b"")
    async with archive.session.get(archive.url, headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
        assert response.headers["ETag"] == tag
    async with archive.session.head(archive.url) as response:
        assert (response.status, response.headers["ETag"]) == (200, tag)
    await archive.fill(build_entry(code="00000002", notice="other"))
    async with archive.session.get(archive.url, headers={"If-None-Match": tag}) as response:
        assert response.status == 200


@pytest.mark.parametrize("path", [*PATHS, *OTHER_PATHS])
async def test_every_answer_carries_the_policy(shared: ArchiveHarness, path: str) -> None:
    async with shared.session.get(shared.url + path) as response:
        assert response.headers["Content-Security-Policy"] == POLICY
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert {"Server", "Set-Cookie"} & set(response.headers) == set()
        text = await response.text()
    assert re.findall(r"\sstyle=|\son\w+=|<style", text) == []
    assert re.findall(r"<script(?! type=\"application/ld\+json\")", text) == []


async def test_hostile_text_stays_text(archive: ArchiveHarness) -> None:
    await archive.fill(build_entry(headline=HOSTILE, text=HOSTILE))
    for path in ("/", "/meldung/K7M2-Q9TX", "/pruefen?code=K7M2-Q9TX"):
        page = await archive.read(path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "{{ 7*7 }}" in page
    page = await archive.read("/meldung/K7M2-Q9TX")
    embedded = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert embedded
    assert json.loads(embedded[1])["name"] == HOSTILE


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/?thema=unknown", 404),
        ("/?gemeinde=Bremen", 404),
        ("/?seite=0", 404),
        ("/?seite=2", 404),
        ("/?seite=-1", 404),
        ("/?seite=1e3", 404),
        ("/?seite=%D9%A1", 404),
        ("/?seite=99999", 404),
        ("/?utm_source=x", 200),
        ("/?thema=&gemeinde=", 200),
        ("/meldung/0000-0000", 404),
        ("/meldung/..%2f..%2fetc%2fpasswd", 404),
        ("/meldungen.xml", 404),
        ("/meldungen.rss?thema=unknown", 404),
        ("/static/x/..%2farchive_app.py", 404),
        ("/static/x/../../archive_app.py", 404),
        ("/admin", 404),
    ],
)
async def test_an_unknown_address_is_not_found(shared: ArchiveHarness, path: str, status: int) -> None:
    answered, page = await shared.get(path)
    assert answered == status
    assert ("Diese Seite gibt es nicht" in page) is (status == 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_can_be_changed(shared: ArchiveHarness, method: str) -> None:
    async with shared.session.request(method, shared.url, data=b"x" * 1000) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET,HEAD"


async def test_an_entry_has_one_address(shared: ArchiveHarness) -> None:
    for path in ("/meldung/k7m2q9tx", "/meldung/K7M2Q9TX"):
        async with shared.session.get(shared.url + path, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (301, "/meldung/K7M2-Q9TX")


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("K7M2-Q9TX", "Ja, mit diesem Code haben wir eine Meldung veröffentlicht"),
        ("k7m2+q9tx", "Ja, mit diesem Code haben wir eine Meldung veröffentlicht"),
        (f"{'Bis+Freitag.+' * 60}Pr%C3%BCfcode:+K7M2-Q9TXSie+erhalten", "Ja, mit diesem Code haben wir"),
        ("0000-0000", "Diesen Code kennen wir nicht"),
        ("%00%0d%0aSet-Cookie:x", "Diesen Code kennen wir nicht"),
        ('"><script>', "Diesen Code kennen wir nicht"),
        ("x" * 5000, "Diesen Code kennen wir nicht"),
        ("", "Daran erkennen Sie uns"),
    ],
)
async def test_a_code_is_checked(shared: ArchiveHarness, code: str, answer: str) -> None:
    status, page = await shared.get(f"/pruefen?code={code}")
    assert status == 200
    assert answer in page
    assert "<script>" not in page


async def test_what_is_typed_is_not_kept(shared: ArchiveHarness) -> None:
    async with shared.session.get(f"{shared.url}/pruefen?code=0000-0000") as response:
        assert response.headers["Cache-Control"] == "no-store"


async def test_the_sign_up_page_opens_whatsapp(shared: ArchiveHarness) -> None:
    page = await shared.read("/anmelden")
    assert 'href="https://wa.me/4947919309999?text=Start"' in page
    assert (PHONE in page, PHONE in await shared.read("/plakat")) == (True, True)
    picture = await shared.read("/anmelden.svg")
    assert ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 (our own)


async def test_without_a_number_nobody_is_asked_to_sign_up(database: FreshDatabase) -> None:
    async with run_archive(database, phone="") as archive:
        await archive.cache.refresh()
        for path in ("/anmelden", "/anmelden.svg", "/plakat"):
            assert (await archive.get(path))[0] == 404
        assert "anmelden" not in await archive.read("/")


async def test_pages_turn(archive: ArchiveHarness) -> None:
    moments = [NOW - timedelta(minutes=number) for number in range(21)]
    entries = [build_entry(code=f"{n:08}", notice=str(n), published_at=each) for n, each in enumerate(moments)]
    await archive.fill(*entries)
    first = await archive.read("/?thema=baustellen")
    assert 'rel="next" href="/?thema=baustellen&amp;seite=2"' in first
    assert first.count("<article") == 20
    second = await archive.read("/?thema=baustellen&seite=2")
    assert second.count("<article") == 1
    assert 'rel="prev" href="/?thema=baustellen"' in second
    assert (await archive.get("/?thema=baustellen&seite=3"))[0] == 404


async def add_runs(archive: ArchiveHarness, *runs: dict[str, object]) -> None:
    """Broadcasts that began two days ago, of which the service level is computed."""
    for run in runs:
        await add_broadcast(archive.database, **{"started_at": NOW - timedelta(days=2), **run})
    await archive.levels.refresh()


async def test_page_and_json_say_the_same(archive: ArchiveHarness) -> None:
    await archive.cache.refresh()
    begin = NOW - timedelta(days=2)
    reached = begin + timedelta(seconds=200)
    await add_runs(
        archive,
        {"lane": "bulk", "audience": 6_000, "reached_at": reached},
        {"lane": "urgent", "audience": 50, "reached_at": begin + timedelta(seconds=7)},
        {"lane": "bulk", "cancelled_at": NOW},
        {"lane": "bulk", "states": '{"sent": 6, "cancelled": 4}', "finished_at": NOW},
        {"lane": "bulk", "audience": 0, "finished_at": NOW},
    )
    status, page = await archive.get("/tempo")
    assert status == 200
    for shown in ("3 Minuten 20 Sekunden", "7 Sekunden", "6.000", "In den letzten 90 Tagen", 'href="/tempo.json"'):
        assert shown in page
    assert "Sie läuft auch, während eine Meldung auf die erlaubten Zeiten wartet" in page
    status, text = await archive.get("/tempo.json")
    assert status == 200
    urgent, bulk, *_ = json.loads(text)["periods"]
    assert (urgent["urgent"], urgent["days"], urgent["messages"]) == (True, 30, 50)
    assert (bulk["broadcasts"], bulk["seconds_for_95_percent_of_broadcasts"]) == (1, 200)


async def test_what_expired_before_its_audience_was_read_has_not_reached_it(archive: ArchiveHarness) -> None:
    """As during a long pause: then its audience is those on the pages that were read, here none."""
    await archive.fill(build_entry())
    expired = await add_broadcast(
        archive.database, audience=0, states="{}", started_at=NOW - timedelta(days=2), finished_at=NOW
    )
    await archive.levels.refresh()
    assert "nichts versandt" in await archive.read("/tempo"), "nobody was to get it"
    await archive.database.execute("update newsroom.publication set broadcast = $1, people = 50", expired)
    await archive.levels.refresh()
    assert "weniger als 95 von 100" in await archive.read("/tempo")


async def test_it_is_cached_as_the_archive_is(archive: ArchiveHarness) -> None:
    await archive.cache.refresh()
    assert (await archive.get("/tempo"))[0] == 503
    await archive.levels.refresh()
    assert "nichts versandt" in await archive.read("/tempo")
    for path in ("/tempo", "/tempo.json"):
        async with archive.session.get(archive.url + path) as response:
            tag, cached = response.headers["ETag"], response.headers["Cache-Control"]
        assert cached.startswith("public, max-age=")
        async with archive.session.get(archive.url + path, headers={"If-None-Match": tag}) as response:
            assert response.status == 304
    await add_runs(archive, {"reached_at": NOW})
    assert "nichts versandt" not in await archive.read("/tempo")
