"""Pages of broadcasts: list, live progress, certificate."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import hdrs, web

from services.newsroom.adapters.http.rendering import render_page
from services.newsroom.adapters.http.web_pages import WebPage, get_visitor
from services.newsroom.domain.accounts import Right
from services.newsroom.domain.drafts import NoticeDraft
from services.newsroom.domain.feedback import FeedbackFilter
from services.newsroom.domain.german import format_moment
from services.newsroom.domain.progress import BroadcastStatus, list_account
from services.newsroom.domain.spreadsheet import render_csv
from services.newsroom.handlers.session_watch import SessionWatch
from services.newsroom.handlers.watching import BroadcastWatch
from services.newsroom.ports import BroadcastStatuses, DraftRepository, FeedbackLog, PublicationRepository
from shared.runtime.clock import Clock

BROADCASTS_PATH = "/aussendungen"
BROADCAST_PATH = "/aussendungen/{broadcast}"
MAX_LISTED = 100
POLL_SECONDS = 1.0
KEEPALIVE_SECONDS = 10.0
WRITE_TIMEOUT_SECONDS = 10.0
MAX_STREAM_SECONDS = 3_600.0


@dataclass(frozen=True, kw_only=True)
class BroadcastPages:
    """Pages of broadcasts, of all municipal systems."""

    statuses: BroadcastStatuses
    publications: PublicationRepository
    drafts: DraftRepository
    feedback: FeedbackLog
    watch: BroadcastWatch
    sessions: SessionWatch
    topics: Mapping[str, str]
    clock: Clock

    def list_pages(self) -> tuple[WebPage, ...]:
        look = Right.LOOK
        return (
            WebPage(method="GET", path=BROADCASTS_PATH, handler=self.show_list, audience=look, title="Aussendungen"),
            WebPage(method="GET", path=BROADCAST_PATH, handler=self.show, audience=look),
            WebPage(method="GET", path=f"{BROADCAST_PATH}/strom", handler=self.stream, audience=look),
            WebPage(method="GET", path=f"{BROADCAST_PATH}/nachweis", handler=self.show_certificate, audience=look),
            WebPage(method="GET", path=f"{BROADCAST_PATH}/nachweis.csv", handler=self.download, audience=look),
        )

    async def show_list(self, request: web.Request) -> web.Response:
        broadcasts = await self.statuses.list_newest(MAX_LISTED)
        return render_page(request, "broadcasts.html", broadcasts=broadcasts, topics=self.topics)

    async def show(self, request: web.Request) -> web.Response:
        status = await self._find(request)
        draft = await self._find_draft(status)
        return render_page(
            request,
            "broadcast.html",
            draft=draft,
            may_write=get_visitor(request).account.may(Right.WRITE),
            feedback=await self.feedback.summarize(FeedbackFilter(broadcast=status.id)),
            **self._describe(status),
        )

    async def show_certificate(self, request: web.Request) -> web.Response:
        status = await self._find(request)
        draft = await self._find_draft(status)
        return render_page(
            request,
            "certificate.html",
            draft=draft,
            now=self.clock(),
            content=draft and draft.content,
            **self._describe(status),
        )

    async def download(self, request: web.Request) -> web.Response:
        """Respond with the certificate as a table; it holds no personal data."""
        status = await self._find(request)
        moments = (
            ("angenommen", status.accepted_at),
            ("begonnen", status.started_at),
            ("abgeschlossen", status.finished_at),
            ("beendet", status.cancelled_at),
        )
        rows: list[tuple[object, ...]] = [
            ("Meldung", status.notice or ""),
            ("Fassung", status.revision or ""),
            ("Aussendung", str(status.id)),
            ("Überschrift", status.headline or ""),
            ("Thema", self.topics.get(status.topic or "", status.topic or "")),
            *((name, format_moment(moment)) for name, moment in moments if moment),
            ("Empfänger", status.audience if status.audience is not None else ""),
            *((line.name, line.count) for line in list_account(status)),
            ("Stand", format_moment(self.clock())),
        ]
        name = f'attachment; filename="nachweis-{status.id}.csv"'
        return web.Response(
            body=render_csv(("Angabe", "Wert"), rows),
            content_type="text/csv",
            charset="utf-8",
            headers={hdrs.CONTENT_DISPOSITION: name},
        )

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Respond with the account after each change, until the end of the broadcast or of the session."""
        status = await self._find(request)
        if self.watch.is_full:
            raise web.HTTPServiceUnavailable
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(request)
        gone = suppress(ConnectionError, TimeoutError)
        with gone, self.sessions.follow(get_visitor(request)) as ended, self.watch.follow(status.id):
            await self._write(request, response, status.id, ended)
        return response

    async def _write(
        self, request: web.Request, response: web.StreamResponse, broadcast: UUID, ended: asyncio.Event
    ) -> None:
        told: BroadcastStatus | None = None
        begun = said = time.monotonic()
        while not ended.is_set() and not self.watch.closing and request.transport is not None:
            status = await self.watch.wait_for_change(broadcast, told, POLL_SECONDS)
            now = time.monotonic()
            if status is not None and not ended.is_set():
                await _send(response, self._format_event(request, status))
                told, said = status, now
            elif now - said > KEEPALIVE_SECONDS:
                await _send(response, ": nothing new\n\n")
                said = now
            if now - begun > MAX_STREAM_SECONDS or (told is not None and told.is_final and not told.waiting):
                await _send(response, "event: end\ndata:\n\n")
                return

    def _format_event(self, request: web.Request, status: BroadcastStatus) -> str:
        html = render_page(request, "broadcast_account.html", **self._describe(status)).text or ""
        return "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"

    def _describe(self, status: BroadcastStatus) -> dict[str, Any]:
        return {"broadcast": status, "account": list_account(status), "topics": self.topics}

    async def _find(self, request: web.Request) -> BroadcastStatus:
        """Return the broadcast in the path. Raises HTTPNotFound."""
        try:
            found = await self.statuses.find_all([UUID(request.match_info["broadcast"])])
        except ValueError:
            raise web.HTTPNotFound from None
        if not found:
            raise web.HTTPNotFound
        return found[0]

    async def _find_draft(self, status: BroadcastStatus) -> NoticeDraft | None:
        """Return the draft that became the broadcast; None if another system published it."""
        draft = await self.publications.find_draft(status.id)
        return await self.drafts.find(draft) if draft else None


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
        await response.write(text.encode())
