"""Page about the whole: who comes and goes, how many each topic reaches, what broadcasts were answered with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from services.newsroom.adapters.http.rendering import render_page, respond_with_table
from services.newsroom.adapters.http.web_pages import WebPage
from services.newsroom.adapters.listening import PostgresListeningLog
from services.newsroom.domain.accounts import Right
from services.newsroom.domain.listening import (
    PERIODS_DAYS,
    WHOLE_CHANNEL,
    ListeningPeriod,
    TopicAudience,
    choose_period,
    draw_bars,
    draw_line,
    sum_moves,
)
from shared.contracts.hours import LOCAL_ZONE
from shared.runtime.clock import Clock

LISTENING_PATH = "/auswertung"
MAX_SHOWN, MAX_EXPORTED = 20, 5_000


@dataclass(frozen=True, kw_only=True)
class ListeningPages:
    """The page, and its table of broadcasts as a file."""

    log: PostgresListeningLog
    topics: Mapping[str, str]
    clock: Clock

    def list_pages(self) -> tuple[WebPage, ...]:
        look = Right.LOOK
        return (
            WebPage(method="GET", path=LISTENING_PATH, handler=self.show, audience=look, title="Auswertung"),
            WebPage(method="GET", path=f"{LISTENING_PATH}.csv", handler=self.download, audience=look),
        )

    async def show(self, request: web.Request) -> web.Response:
        period, topic = self._read_choice(request)
        moves = period.group_moves(await self.log.list_moves(WHOLE_CHANNEL, period))
        started, ended = sum_moves(moves)
        return render_page(
            request,
            "listening.html",
            period=period,
            topic=topic,
            query=f"?tage={period.days}&thema={topic}",
            topics=self.topics,
            topic_options=[("", "alle Themen"), *self.topics.items()],
            period_options=[(str(days), f"die letzten {days} Tage") for days in PERIODS_DAYS],
            move_rows=[(each.day, each.started, each.ended) for each in reversed(moves) if each.started or each.ended],
            bars=draw_bars(moves),
            started=started,
            ended=ended,
            cards=await self._build_cards(period, topic),
            echoes=await self.log.list_echoes(period, topic, MAX_SHOWN),
            most=MAX_SHOWN,
            most_exported=MAX_EXPORTED,
        )

    async def download(self, request: web.Request) -> web.Response:
        """Respond with the broadcasts of the period as a table."""
        period, topic = self._read_choice(request)
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
                self.topics.get(each.topic or "", each.topic or ""),
                each.people if each.people is not None else "",
                *(each.left_topic, each.left_all, each.good, each.bad, each.reactions, each.texts),
            )
            for each in await self.log.list_echoes(period, topic, MAX_EXPORTED)
        )
        return respond_with_table("auswertung", head, rows)

    async def _build_cards(self, period: ListeningPeriod, chosen: str) -> Sequence[Mapping[str, Any]]:
        counts = await self.log.list_audiences(period)
        leavers = await self.log.count_leavers(period)
        return [
            self._build_card(period, title, [each for each in counts if each.topic == topic], leavers.get(topic, 0))
            for topic, title in self.topics.items()
            if chosen in ("", topic)
        ]

    @staticmethod
    def _build_card(
        period: ListeningPeriod, title: str, counts: Sequence[TopicAudience], left: int
    ) -> Mapping[str, Any]:
        change = counts[-1].people - counts[0].people if counts else 0
        return {
            "title": title,
            "counts": counts,
            "rows": [(each.day, each.people) for each in reversed(counts)],
            "chart": draw_line(counts, period),
            "change": change,
            "left": left,
        }

    def _read_choice(self, request: web.Request) -> tuple[ListeningPeriod, str]:
        """Return what is chosen in the query; what is unknown chooses everything."""
        topic = request.query.get("thema", "")
        today = self.clock().astimezone(LOCAL_ZONE).date()
        return choose_period(request.query.get("tage", ""), today), topic if topic in self.topics else ""
