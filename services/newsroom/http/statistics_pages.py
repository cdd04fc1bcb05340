"""Statistics page: subscriptions, audience per topic, reactions to broadcasts."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from services.newsroom.domain.accounts import Right
from services.newsroom.domain.statistics import (
    PERIODS_DAYS,
    WHOLE_CHANNEL,
    StatisticsPeriod,
    choose_period,
    draw_bars,
    draw_line,
    sum_counts,
)
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import render_page, respond_with_table
from services.newsroom.http.web_pages import WebPage
from shared.contracts.hours import LOCAL_ZONE
from shared.runtime.clock import system_clock

STATISTICS_PATH = "/auswertung"
MAX_SHOWN, MAX_EXPORTED = 20, 5_000


async def show(newsroom: Newsroom, request: web.Request) -> web.Response:
    period, topic = _parse_query(newsroom, request)
    counts = period.group_counts(await newsroom.statistics.list_subscription_counts(WHOLE_CHANNEL, period))
    started, ended = sum_counts(counts)
    return render_page(
        request,
        "statistics.html",
        period=period,
        topic=topic,
        query=f"?tage={period.days}&thema={topic}",
        period_options=[(str(days), f"die letzten {days} Tage") for days in PERIODS_DAYS],
        count_rows=[
            (count.day, count.started, count.ended) for count in reversed(counts) if count.started or count.ended
        ],
        bars=draw_bars(counts),
        started=started,
        ended=ended,
        cards=await _build_cards(newsroom, period, topic),
        responses=await newsroom.statistics.list_responses(period, topic, MAX_SHOWN),
        limit=MAX_SHOWN,
        export_limit=MAX_EXPORTED,
    )


async def download(newsroom: Newsroom, request: web.Request) -> web.Response:
    period, topic = _parse_query(newsroom, request)
    head = (
        "Beginn",
        "Aussendung",
        "Thema",
        "Personen",
        "vom Thema abgemeldet (24 Stunden)",
        "ganz abgemeldet (24 Stunden)",
        "hilfreich",
        "nicht hilfreich",
        "Reaktionen",
        "Mitteilungen",
    )
    rows = (
        (
            f"{response.started_at.astimezone(LOCAL_ZONE):%d.%m.%Y %H:%M}",
            response.name,
            newsroom.topics.get(response.topic or "", response.topic or ""),
            response.people if response.people is not None else "",
            *(response.left_topic, response.left_all, response.good, response.bad, response.reactions, response.texts),
        )
        for response in await newsroom.statistics.list_responses(period, topic, MAX_EXPORTED)
    )
    return respond_with_table("auswertung", head, rows)


async def _build_cards(newsroom: Newsroom, period: StatisticsPeriod, selected: str) -> Sequence[Mapping[str, Any]]:
    audiences = await newsroom.statistics.list_audiences(period)
    unsubscribed = await newsroom.statistics.count_unsubscribed(period)
    counts = {topic: [count for count in audiences if count.topic == topic] for topic in newsroom.topics}
    return [
        {
            "title": title,
            "counts": counts[topic],
            "rows": [(count.day, count.people) for count in reversed(counts[topic])],
            "chart": draw_line(counts[topic], period),
            "left": unsubscribed.get(topic, 0),
        }
        for topic, title in newsroom.topics.items()
        if selected in ("", topic)
    ]


def _parse_query(newsroom: Newsroom, request: web.Request) -> tuple[StatisticsPeriod, str]:
    """Return period and topic of the query; unknown values select the default period and all topics."""
    topic = request.query.get("thema", "")
    topic = topic if topic in newsroom.topics else ""
    today = system_clock().astimezone(LOCAL_ZONE).date()
    return choose_period(request.query.get("tage", ""), today), topic


PAGES = (
    WebPage("GET", STATISTICS_PATH, show, Right.VIEW, title="Auswertung"),
    WebPage("GET", f"{STATISTICS_PATH}.csv", download, Right.VIEW),
)
