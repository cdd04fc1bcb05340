"""Page about the whole: who comes and goes, how many each topic reaches, what broadcasts were answered with."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from services.newsroom.domain.accounts import Right
from services.newsroom.domain.listening import (
    PERIODS_DAYS,
    WHOLE_CHANNEL,
    ListeningPeriod,
    choose_period,
    draw_bars,
    draw_line,
    sum_moves,
)
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import render_page, respond_with_table
from services.newsroom.http.web_pages import WebPage
from shared.contracts.hours import LOCAL_ZONE
from shared.runtime.clock import system_clock

LISTENING_PATH = "/auswertung"
MAX_SHOWN, MAX_EXPORTED = 20, 5_000


async def show(newsroom: Newsroom, request: web.Request) -> web.Response:
    period, topic = _read_choice(newsroom, request)
    moves = period.group_moves(await newsroom.listening.list_moves(WHOLE_CHANNEL, period))
    started, ended = sum_moves(moves)
    return render_page(
        request,
        "listening.html",
        period=period,
        topic=topic,
        query=f"?tage={period.days}&thema={topic}",
        period_options=[(str(days), f"die letzten {days} Tage") for days in PERIODS_DAYS],
        move_rows=[(each.day, each.started, each.ended) for each in reversed(moves) if each.started or each.ended],
        bars=draw_bars(moves),
        started=started,
        ended=ended,
        cards=await _build_cards(newsroom, period, topic),
        echoes=await newsroom.listening.list_echoes(period, topic, MAX_SHOWN),
        most=MAX_SHOWN,
        most_exported=MAX_EXPORTED,
    )


async def download(newsroom: Newsroom, request: web.Request) -> web.Response:
    """Respond with the broadcasts of the period as a table."""
    period, topic = _read_choice(newsroom, request)
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
            f"{each.started_at.astimezone(LOCAL_ZONE):%d.%m.%Y %H:%M}",
            each.name,
            newsroom.topics.get(each.topic or "", each.topic or ""),
            each.people if each.people is not None else "",
            *(each.left_topic, each.left_all, each.good, each.bad, each.reactions, each.texts),
        )
        for each in await newsroom.listening.list_echoes(period, topic, MAX_EXPORTED)
    )
    return respond_with_table("auswertung", head, rows)


async def _build_cards(newsroom: Newsroom, period: ListeningPeriod, chosen: str) -> Sequence[Mapping[str, Any]]:
    """Return how many people each of the topics reached, or the chosen one."""
    audiences, leavers = await newsroom.listening.list_audiences(period), await newsroom.listening.count_leavers(period)
    counts = {topic: [each for each in audiences if each.topic == topic] for topic in newsroom.topics}
    return [
        {
            "title": title,
            "counts": counts[topic],
            "rows": [(each.day, each.people) for each in reversed(counts[topic])],
            "chart": draw_line(counts[topic], period),
            "left": leavers.get(topic, 0),
        }
        for topic, title in newsroom.topics.items()
        if chosen in ("", topic)
    ]


def _read_choice(newsroom: Newsroom, request: web.Request) -> tuple[ListeningPeriod, str]:
    """Return what is chosen in the query; what is unknown chooses everything."""
    topic = request.query.get("thema", "")
    topic = topic if topic in newsroom.topics else ""
    today = system_clock().astimezone(LOCAL_ZONE).date()
    return choose_period(request.query.get("tage", ""), today), topic


PAGES = (
    WebPage("GET", LISTENING_PATH, show, Right.LOOK, title="Auswertung"),
    WebPage("GET", f"{LISTENING_PATH}.csv", download, Right.LOOK),
)
