"""What may not be sent, by every way in: rejected with the field named, and no telephone hears of it."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from uuid import uuid4

import pytest

from deploy.paths import CONFIG
from tests.contract_recorder.recorder import ContractRecorder
from tests.e2e.notices.publish_paths import (
    Event,
    PublishCommand,
    PublishOptionsCommand,
    PublishOutcome,
    check_over_http,
    publish_over_amqp,
    publish_over_http,
)
from tests.e2e.steering.harness import CITIZENS, SteeringHarness, run_steering_harness
from tests.integration.notices.api import PUBLISHED, UPDATED, WITHDRAWN, data, event, soon

pytestmark = pytest.mark.timeout(300)

ALL_TOPICS = 'topics = ["veranstaltungen", "stellen", "baustellen", "strassensperrungen"]'
MARK = "Darf niemand lesen"
# Meta makes a person who has just got several messages wait, six seconds for each.
PATIENCE = 120
PICTURE = "//www.landkreis-osterholz.de/bild.png"

# Each is right but for one thing; the headline marks it, unless it is the headline that is wrong.
WRONG: Mapping[str, tuple[str, Callable[[], Event]]] = MappingProxyType(
    {
        "source of another system": ("source", lambda: notice(source="/landkreis-osterholz/internetseite")),
        "source of nobody": ("source", lambda: notice(source="/somewhere/else")),
        "topic of others": ("topic", lambda: notice(topic="stellen")),
        "topic that there is not": ("topic", lambda: notice(topic="lottozahlen")),
        "expired": ("expirytime", lambda: notice(expirytime=soon(-1))),
        "expired just now": ("expirytime", lambda: notice(expirytime=soon(-0.0001))),
        "scheduled in the past": ("scheduled_at", lambda: notice(scheduled_at=soon(-1))),
        "scheduled after its end": ("scheduled_at", lambda: notice(scheduled_at=soon(13))),
        "line break": ("text", lambda: notice(text="Erste Zeile.\nZweite Zeile.")),
        "carriage return": ("text", lambda: notice(text="Erste Zeile.\rZweite Zeile.")),
        "line separator": ("text", lambda: notice(text="Erste Zeile.\u2028Zweite Zeile.")),
        "tab": ("text", lambda: notice(text="Spalte\tSpalte")),
        "five spaces": ("text", lambda: notice(text="Weit     weg.")),
        "placeholder": ("text", lambda: notice(text="Für {{1}}.")),
        "blank": ("text", lambda: notice(text=" \u200b ")),
        "too long": ("text", lambda: notice(text="x" * 801)),
        "too long together": ("text", lambda: notice(text="x" * 800, headline=f"{MARK} {'y' * 80}")),
        "address of others": ("text", lambda: notice(text="Mehr unter https://example.org/karte.")),
        "domain of others": ("text", lambda: notice(text="Mehr unter example.org")),
        "headline with a domain of others": ("headline", lambda: notice(headline="Jetzt auf bit.ly/2x", text=MARK)),
        "headline with a tab": ("headline", lambda: notice(headline="K 9\tgesperrt", text=MARK)),
        "headline with a line break": ("headline", lambda: notice(headline="K 9\ngesperrt", text=MARK)),
        "headline too long": ("headline", lambda: notice(headline="x" * 121, text=MARK)),
        "picture over http": ("picture", lambda: notice(picture=f"http:{PICTURE}")),
        "picture over ftp": ("picture", lambda: notice(picture=f"ftp:{PICTURE}")),
        "picture of others": ("picture", lambda: notice(picture="https://example.org/bild.png")),
    }
)
WAYS: Mapping[str, Callable[[SteeringHarness, Event], Awaitable[PublishOutcome]]] = MappingProxyType(
    {
        "amqp": publish_over_amqp,
        "http": publish_over_http,
        "http check": check_over_http,
        "publish a file": PublishCommand(),
        "publish a file over http": PublishCommand(http=True),
        "publish options": PublishOptionsCommand(),
        "publish options over http": PublishOptionsCommand(http=True),
        "publish --check": PublishCommand(words=("--check",)),
        "publish --check over http": PublishCommand(words=("--check",), http=True),
    }
)

# These put it on the broker as it is; the others look at it first.
UNCHECKED = ("amqp", "publish options")
FOREIGN = pytest.mark.foreign_messages("to see each of them rejected")


def notice(*, source: str | None = None, expirytime: str | None = None, **content: str) -> Event:
    envelope = {name: value for name, value in {"source": source, "expirytime": expirytime}.items() if value}
    return event(data=data(**{"headline": f"{MARK} {uuid4().hex[:8]}", **content}), **envelope)


@pytest.fixture(scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SteeringHarness]:
    """A county whose press office may not publish about jobs. Nobody gets what is wrong, or anything twice."""
    county = tmp_path_factory.mktemp("county") / "county.toml"
    usual = (CONFIG / "county.toml").read_text()
    county.write_text(usual.replace(ALL_TOPICS, ALL_TOPICS.replace(' "stellen",', ""), 1))
    async with run_steering_harness(tmp_path_factory.mktemp("town"), county=county, rate=400) as running:
        yield running
        await nobody_gets_it(running)


@pytest.fixture(scope="module")
async def tap(town: SteeringHarness) -> ContractRecorder:
    return town.tap


@pytest.mark.parametrize("way", [pytest.param(way, marks=FOREIGN if way in UNCHECKED else ()) for way in WAYS])
async def test_each_wrong_notice_is_rejected_by_its_field_and_nobody_gets_it(town: SteeringHarness, way: str) -> None:
    found = {name: (await WAYS[way](town, make())).fields for name, (_, make) in WRONG.items()}
    assert found == {name: {field} for name, (field, _) in WRONG.items()}
    await nobody_got_it(town)


async def nobody_gets_it(town: SteeringHarness) -> None:
    """A notice that was published later has reached everybody: what was to come before it would be there."""
    await town.publish("Das Letzte.")
    await town.wait_for_accepted("Das Letzte.", CITIZENS, PATIENCE)
    await nobody_got_it(town)
    got = Counter((message.text, message.citizen) for message in await town.simulator.fetch_outbound())
    assert {pair: count for pair, count in got.items() if count > 1} == {}


async def nobody_got_it(town: SteeringHarness) -> None:
    """Meta has none of it, nor waits any."""
    assert [message.text for message in await town.simulator.fetch_outbound() if MARK in message.text] == []
    broadcasts = (await town.run_kreisfunk("broadcasts", "list", "--number", "1000"))["broadcasts"]
    assert {broadcast["topic"] for broadcast in broadcasts} <= {"strassensperrungen"}
    assert [broadcast for broadcast in broadcasts if broadcast["notice"].startswith("sperrung-")] == []


EVERY_WAY = ("amqp", "http", "publish a file", "publish a file over http")


@pytest.mark.parametrize("first", ["amqp", "http"])
async def test_the_same_event_by_every_way_twice_is_sent_once(town: SteeringHarness, first: str) -> None:
    words = f"Einmal, zuerst so: {first}."
    same = event(data=data(text=words), subject=f"einmal-{uuid4().hex[:8]}")
    for way in (first, *EVERY_WAY, *EVERY_WAY):
        told = await WAYS[way](town, same)
        assert told.accepted, told.everything
    await town.wait_for_accepted(words, CITIZENS, PATIENCE)


async def test_the_same_id_with_other_words_is_rejected_by_every_way(town: SteeringHarness) -> None:
    right = event(data=data(text="Das Erste."), subject=f"einmal-{uuid4().hex[:8]}")
    assert (await publish_over_http(town, right)).accepted
    for way in EVERY_WAY:
        told = await WAYS[way](town, {**right, "data": data(headline=f"{MARK} {way}")})
        assert told.fields == {"id"}, way
    await nobody_got_it(town)
    await town.wait_for_accepted("Das Erste.", CITIZENS, PATIENCE)


@FOREIGN
async def test_what_another_system_forges_in_our_name_is_rejected_and_changes_nothing(town: SteeringHarness) -> None:
    right = event(data=data(text="Das Echte."), subject=f"echt-{uuid4().hex[:8]}")
    forgeries = [
        {**right, "data": data(headline=f"{MARK} zuerst")},
        {**right, "id": uuid4().hex, "type": PUBLISHED, "data": data(headline=f"{MARK} noch einmal")},
        {**right, "id": uuid4().hex, "type": UPDATED, "data": data(headline=f"{MARK} anders", revision=2)},
        {**right, "id": uuid4().hex, "type": WITHDRAWN, "data": {"reason": MARK}, "expirytime": None},
    ]
    for forgery in forgeries:
        assert (await publish_over_amqp(town, forgery, login="feeds")).fields == {"source"}
        assert (await publish_over_http(town, right)).accepted
    await town.wait_for_accepted("Das Echte.", CITIZENS, PATIENCE)
    assert (await publish_over_http(town, right)).accepted
    await nobody_got_it(town)
