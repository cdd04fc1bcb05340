"""Page of a draft's trial: the code, and how it is sent."""

from dataclasses import dataclass

import segno
from aiohttp import web

from services.newsroom.adapters.http.draft_forms import parse_draft_id, parse_version
from services.newsroom.adapters.http.draft_pages import DRAFT_PATH, DRAFTS_PATH
from services.newsroom.adapters.http.rendering import render_page
from services.newsroom.adapters.http.web_pages import WebPage, get_form, get_visitor
from services.newsroom.domain.accounts import Right
from services.newsroom.handlers.trials import TrialService


@dataclass(frozen=True, kw_only=True)
class TrialPages:
    """Page of trials; `phone` is the county's number, empty if it is not configured."""

    trials: TrialService
    phone: str

    def list_pages(self) -> tuple[WebPage, ...]:
        return (WebPage(method="POST", path=f"{DRAFT_PATH}/testen", handler=self.prepare, audience=Right.WRITE),)

    async def prepare(self, request: web.Request) -> web.Response:
        """Show a new code. It is stored nowhere here, so the answer shows it instead of leading to another page."""
        draft, version = parse_draft_id(request), parse_version(get_form(request))
        trial = await self.trials.prepare(get_visitor(request).account, draft, version)
        link = trial.build_link(self.phone) if self.phone else ""
        return render_page(
            request,
            "trial.html",
            trial=trial,
            back=f"{DRAFTS_PATH}/{draft}/pruefung",
            version=version,
            phone=self.phone,
            link=link,
            qr=segno.make(link, micro=False).svg_data_uri(scale=6) if link else "",
        )
