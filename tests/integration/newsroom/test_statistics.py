"""Statistics and feedback: from events in any order to the pages, without anything about a person."""

import itertools
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from services.newsroom.adapters.statistics import PostgresStatistics
from services.newsroom.domain.accounts import Role
from services.newsroom.domain.statistics import StatisticsPeriod, SubscriptionCounts, TopicAudience
from shared.contracts.events import (
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    FeedbackReceived,
    SubscriptionEnded,
    SubscriptionStarted,
)
from shared.contracts.message import Lane, Message
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing import add_broadcast
from tests.integration.newsroom.writing_store import SOURCE, Store

BROADCAST = UUID(int=78)
# 22:40 in Germany, so that a day there is no day in UTC.
BEGIN = datetime(2026, 11, 24, 21, 40, tzinfo=UTC)
PERIOD = StatisticsPeriod(first=date(2026, 11, 1), last=date(2026, 11, 30))


def build_start(topic: str = "stellen") -> BroadcastStarted:
    return BroadcastStarted(
        broadcast=BROADCAST,
        source=SOURCE,
        notice="n",
        revision=1,
        topic=topic,
        lane=Lane.URGENT,
        expires_at=BEGIN + timedelta(days=9),
    )


def build_end(topic: str | None) -> SubscriptionEnded:
    return SubscriptionEnded(subscriber=uuid4(), sequence=2, at=BEGIN, topic=topic)


async def test_who_leaves_within_a_day_is_counted_with_the_broadcast(store: Store) -> None:
    """Also if the event of the beginning comes last."""
    said: list[tuple[Message, timedelta]] = [
        (build_end("stellen"), timedelta(minutes=-41)),
        (build_end("stellen"), timedelta(minutes=1)),
        (build_end("stellen"), timedelta(hours=23)),
        (build_end("baustellen"), timedelta(hours=1)),
        (build_end(None), timedelta(hours=2)),
        (build_end("stellen"), timedelta(hours=25)),
        (FeedbackReceived(feedback=uuid4(), kind="rating", at=BEGIN, value="bad", broadcast=BROADCAST), timedelta()),
        (FeedbackReceived(feedback=uuid4(), kind="reaction", at=BEGIN, value="👍", broadcast=BROADCAST), timedelta()),
        (build_start(), timedelta()),
    ]
    for message, later in said:
        await store.tell(message, BEGIN + later)
    log = PostgresStatistics(store.database)
    response = await log.find_response(BROADCAST)
    assert response is not None
    assert (response.left_topic, response.left_all) == (2, 1)
    assert (response.good, response.bad, response.reactions, response.texts) == (0, 1, 1, 0)
    assert await log.list_responses(PERIOD, "stellen", 10) == [response]
    assert await log.list_responses(PERIOD, "baustellen", 10) == []
    assert await log.find_response(uuid4()) is None


async def test_comings_and_goings_are_of_german_days(store: Store) -> None:
    start = SubscriptionStarted(subscriber=uuid4(), sequence=1, topics=("stellen",), at=BEGIN)
    for repeated in range(2):
        await store.tell(start, BEGIN, "s1")
        await store.tell(build_end(None), BEGIN + timedelta(hours=2), "e1")
        await store.tell(build_end("stellen"), BEGIN + timedelta(days=20, hours=repeated), "e2")
    again = SubscriptionEnded(subscriber=uuid4(), sequence=3, at=BEGIN, was_subscribed=False)
    await store.tell(again, BEGIN + timedelta(hours=2), "e3")
    log = PostgresStatistics(store.database)
    assert await log.list_subscription_counts("", PERIOD) == [
        SubscriptionCounts(date(2026, 11, 24), 1, 0),
        SubscriptionCounts(date(2026, 11, 25), 0, 1),
    ]
    assert await log.count_unsubscribed(PERIOD) == {"": 1}
    counted = "select topic, sum(started), sum(ended) from newsroom.subscription_hour group by topic order by topic"
    assert await store.fetch(counted) == [("", 1, 1), ("stellen", 0, 1)], "each event once"


async def test_nothing_that_is_kept_says_who(store: Store) -> None:
    someone = uuid4()
    await store.tell(SubscriptionStarted(subscriber=someone, sequence=1, topics=("stellen",), at=BEGIN), BEGIN)
    await store.tell(SubscriptionEnded(subscriber=someone, sequence=2, at=BEGIN), BEGIN)
    rows = await store.fetch(
        "select h::text from newsroom.subscription_hour h union all select i.event from newsroom.inbox i"
    )
    assert len(rows) == 3
    assert not [row for (row,) in rows if str(someone) in str(row) or someone.hex in str(row)]


async def test_the_first_moment_of_95_percent_counts_in_any_order(store: Store) -> None:
    told: list[tuple[Message, int]] = [
        (build_start(), 0),
        (BroadcastProgressed(broadcast=BROADCAST, audience=None, states={"accepted": 20}), 5),
        (BroadcastProgressed(broadcast=BROADCAST, audience=20, states={"accepted": 19, "waiting": 1}), 15),
        (BroadcastProgressed(broadcast=BROADCAST, audience=20, states={"accepted": 20}), 18),
        (BroadcastFinished(broadcast=BROADCAST, audience=20, states={"delivered": 17, "failed": 3}), 20),
    ]
    reader = PostgresStatistics(store.database)
    for order in itertools.permutations(told):
        await store.database.fetch("update newsroom.broadcast set reached_at = null, progressed_at = null")
        for message, seconds in (*order, order[0]):
            await store.tell(message, BEGIN + timedelta(seconds=seconds))
        (run,) = await reader.list_runs(BEGIN)
        assert (run.is_urgent, run.people, run.seconds) == (True, 20, 15.0)


async def test_the_last_count_of_a_day_counts(store: Store) -> None:
    log = PostgresStatistics(store.database)
    for audience, minutes in ((5, 0), (7, 30)):
        await log.record_audience(TopicAudience(date(2026, 11, 24), "stellen", audience), BEGIN + timedelta(0, minutes))
    assert await log.list_audiences(PERIOD) == [TopicAudience(date(2026, 11, 24), "stellen", 7)]
    assert await log.list_counted_topics(BEGIN) == {"stellen"}
    assert await log.list_counted_topics(BEGIN + timedelta(days=1)) == set()


async def test_where_nobody_was_is_counted_again_at_the_next_round(store: Store) -> None:
    """So that the page does not say for a quarter of an hour that nobody has subscribed."""
    log, day = PostgresStatistics(store.database), date(2026, 11, 24)
    for topic, audience in (("stellen", 0), ("baustellen", 5)):
        await log.record_audience(TopicAudience(day, topic, audience), BEGIN)
    assert await log.list_counted_topics(BEGIN - timedelta(minutes=1)) == {"baustellen"}


async def test_the_page_shows_a_table_behind_each_chart(newsroom: NewsroomProcess) -> None:
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    broadcast = await add_broadcast(newsroom.owner, topic="stellen", headline="=Gefahr", started_at=now)
    await newsroom.owner.execute(
        "insert into newsroom.subscription_hour (hour, topic, started, ended) values ($1, '', 1234, 21),"
        " ($1, 'stellen', 0, 3)",
        hour,
    )
    await newsroom.owner.execute(
        "insert into newsroom.topic_audience (day, topic, people, counted_at) values"
        " (current_date - 3, 'stellen', 4000, now()), (current_date - 1, 'stellen', 4100, now())"
    )
    async with newsroom.open_as(Role.LEAD) as browser:
        page = await browser.read("/auswertung?thema=stellen&tage=90")
        for shown in ("1.234", ">4.100<", "+100 seit", "Zahlen als Tabelle", "=Gefahr", "3 Personen haben nur dieses"):
            assert shown in page
        assert page.count("<svg") == page.count("<details") == 2
        assert " style=" not in page
        assert "=Gefahr" not in await browser.read("/auswertung?thema=baustellen")
        assert (await browser.open("/auswertung?tage=x&thema=%27%20or%201=1%20--")).status == 200
        table = await browser.open("/auswertung.csv?thema=stellen")
        assert ";'=Gefahr;" in table.text
        assert ";10;3;21;0;0;0;0\r\n" in table.text
        shown = await browser.read(f"/aussendungen/{broadcast}")
        assert "<dt>vom Thema abgemeldet</dt><dd>3</dd>" in shown
    async with newsroom.open_as() as browser:
        assert (await browser.open("/auswertung")).status == 403
        assert (await browser.open("/auswertung.csv")).status == 403
