"""Pages on which notices are written: list, editor, preview, versions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web

from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.publications import PublicationRepository
from services.newsroom.domain.accounts import Right
from services.newsroom.domain.drafts import (
    OVERTAKEN,
    SUBMITTED_STATES,
    WRITING_STATES,
    DraftConflict,
    DraftContent,
    DraftFilter,
    DraftKind,
    DraftRefused,
    DraftState,
    DraftSubmitted,
    NoticeDraft,
    list_differences,
    merge_contents,
)
from services.newsroom.domain.explanations import FIELD_NAMES, FORM_FIELDS, FORM_NAMES, explain_problem
from services.newsroom.domain.hints import find_hints
from services.newsroom.domain.outbox import NoticePublication
from services.newsroom.domain.preview import EXAMPLE_CODE, TemplateText, build_preview, count_length
from services.newsroom.handlers.drafting import DraftingService
from services.newsroom.handlers.watching import ChangeWatch, SessionWatch
from services.newsroom.http.draft_forms import (
    FormRefused,
    ShownForm,
    fill_form,
    list_filled_in,
    parse_content,
    parse_version,
    restore_form,
)
from services.newsroom.http.rendering import render_page
from services.newsroom.http.streams import stream_changes
from services.newsroom.http.web_pages import (
    FORM,
    TOPICS,
    VISITOR,
    FormData,
    WebPage,
    parse_before,
    parse_id,
    redirect,
)
from shared.contracts.hours import LOCAL_ZONE
from shared.notices.configuration import Configuration

DRAFTS_PATH = "/entwuerfe"
DRAFT_PATH = "/entwuerfe/{draft}"
MAX_LISTED = 100
_LISTS: Mapping[str, Collection[DraftState]] = {
    "freigabe": SUBMITTED_STATES,
    "in-arbeit": WRITING_STATES,
    "veroeffentlicht": (DraftState.PUBLISHED,),
}
_DONE: Mapping[str, str] = {
    "gespeichert": "Der Entwurf ist gespeichert.",
    "zurueckgenommen": "Der Entwurf ist gespeichert. Geben Sie ihn erneut zur Freigabe.",
    "eingereicht": "Der Entwurf wartet jetzt auf die Freigabe durch eine andere Person.",
    "zurueckgegeben": "Der Entwurf ist zurückgegeben.",
    "verworfen": "Der Entwurf ist verworfen.",
    "begonnen": "Ein neuer Entwurf ist begonnen.",
    "fortgesetzt": "Sie haben diesen Entwurf schon begonnen.",
    "ueberholt": f"Ihre Korrektur ist gespeichert. {OVERTAKEN}",
}
_WRITTEN_TOO_LATE = "Wenn er noch gebraucht wird, beginnen Sie damit eine neue Meldung oder eine Korrektur."
_APPROVED: Mapping[DraftState, str] = {
    DraftState.APPROVED: "Die Meldung ist freigegeben.",
    DraftState.ESCALATED: "Ihre Freigabe ist vermerkt. Jetzt fehlt noch die der Leitung.",
}


@dataclass(frozen=True, kw_only=True)
class DraftPages:
    """Pages of drafts."""

    drafting: DraftingService
    publications: PublicationRepository
    statuses: BroadcastStatuses
    watch: ChangeWatch[UUID, NoticePublication]
    sessions: SessionWatch
    templates: Mapping[str, TemplateText]

    def list_pages(self) -> tuple[WebPage, ...]:
        look, write = Right.LOOK, Right.WRITE
        return (
            WebPage("GET", DRAFTS_PATH, self.show_list, look, title="Entwürfe"),
            WebPage("POST", DRAFTS_PATH, self.create, write),
            WebPage("POST", "/vorschau", self.show_preview, write),
            WebPage("GET", DRAFT_PATH, self.show, look),
            WebPage("POST", DRAFT_PATH, self.save, write),
            WebPage("GET", f"{DRAFT_PATH}/strom", self.stream, look),
            WebPage("GET", f"{DRAFT_PATH}/staende", self.show_versions, look),
        )

    async def show_list(self, request: web.Request) -> web.Response:
        """Show the newest of each list, or older ones of a single list."""
        drafts, chosen, before = self.drafting.drafts, request.query.get("liste", ""), parse_before(request)
        is_older = chosen in _LISTS and before is not None
        filters = {
            name: DraftFilter(states=_LISTS[name], before=before if is_older else None)
            for name in ((chosen,) if is_older else _LISTS)
        }
        return render_page(
            request,
            "drafts.html",
            lists={name: await drafts.list_drafts(each, MAX_LISTED + 1) for name, each in filters.items()},
            unreviewed=[] if is_older else await drafts.list_unreviewed(),
            is_older=is_older,
            most=MAX_LISTED,
        )

    async def create(self, request: web.Request) -> web.Response:
        draft = await self.drafting.create(request[VISITOR].account, DraftContent())
        return redirect(f"{DRAFTS_PATH}/{draft.id}")

    async def show(self, request: web.Request) -> web.Response:
        """Show the editor to those who write, else the draft as it is; a published one leads to its broadcast."""
        draft = await self.drafting.drafts.find(parse_id(request.match_info["draft"]))
        publication = await self.publications.find_newest(draft.id)
        may_write = request[VISITOR].account.may(Right.WRITE)
        is_begun = draft.state in WRITING_STATES or "bearbeiten" in request.query
        if draft.is_open and may_write and is_begun and draft.kind is not DraftKind.WITHDRAWAL:
            errors = self._list_errors(draft) if "pruefen" in request.query else {}
            form = fill_form(draft.version, draft.content, errors)
            return self._render_editor(request, draft, form, rejection=_explain_rejection(draft, publication))
        if draft.state is DraftState.PUBLISHED and publication and publication.broadcast:
            return redirect(f"/aussendungen/{publication.broadcast}")
        return render_page(
            request,
            "draft.html",
            draft=draft,
            done=_explain_done(request, draft),
            publication=publication,
            is_waiting=draft.state is DraftState.PUBLISHED and publication is not None and not publication.is_settled,
            rejection=_explain_rejection(draft, publication),
            preview=self._build_preview(draft.content, choose_code(draft, publication)),
            **await self._find_withdrawn(draft, publication),
        )

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Respond with how far the handover of a published draft is, until it is settled or the session has ended."""
        draft = await self.drafting.drafts.find(parse_id(request.match_info["draft"]))
        if await self.publications.find_newest(draft.id) is None:
            raise web.HTTPNotFound

        def render(shown: NoticePublication) -> web.Response:
            return render_page(request, "draft_handover.html", draft=draft, publication=shown)

        return await stream_changes(
            request, self.sessions, self.watch, draft.id, render, is_over=lambda shown: shown.is_settled
        )

    async def _find_withdrawn(self, draft: NoticeDraft, publication: NoticePublication | None) -> dict[str, Any]:
        """Return what a withdrawal is about: the newest broadcast, those that belong to it, and its draft."""
        if publication is None or draft.kind is not DraftKind.WITHDRAWAL:
            return {"withdrawn": None, "related": ()}
        revisions = await self.statuses.list_revisions(publication.event["source"], draft.subject)
        if not revisions:
            return {"withdrawn": None, "related": ()}
        published = await self.publications.find_published(revisions[0].id)
        return {
            "withdrawn": revisions[0],
            "related": [revisions[0], *await self.statuses.list_related(revisions[0].id)],
            "original": await self.drafting.drafts.find(published.draft) if published else None,
        }

    async def save(self, request: web.Request) -> web.Response:
        """Save; with `then` the script saves in the background, or the editor goes on to the check.

        What was submitted meanwhile is taken back only by whoever was told: by the page, or before they press a button.
        """
        identifier, form = parse_id(request.match_info["draft"]), request[FORM]
        then = form.get("then", "")
        takes_back = then != "autosave" or "told" in form
        before = await self.drafting.drafts.find(identifier)
        try:
            content = parse_content(form, before.content)
            draft = await self.drafting.save(
                request[VISITOR].account, identifier, parse_version(form), content, takes_back=takes_back
            )
        except DraftConflict:
            if then == "autosave":
                return web.json_response({"conflict": f"{DRAFTS_PATH}/{identifier}"}, status=409)
            return await self._render_conflict(request, identifier, parse_version(form), content)
        except DraftRefused as refused:
            if then == "autosave":
                may_go_on = isinstance(refused, FormRefused | DraftSubmitted)
                advice = "" if may_go_on else f" Kopieren Sie Ihren Text. {_WRITTEN_TOO_LATE}"
                return web.json_response({"refused": f"{refused}{advice}"}, status=422)
            if isinstance(refused, FormRefused) and before.is_open:
                return self._render_editor(request, before, restore_form(form, refused), status=422)
            return self._render_unsaved(request, form, refused)
        if then == "autosave":
            return web.json_response({"version": draft.version})
        if draft.is_overtaken:  # which the page that comes next says
            await self.drafting.mark_newest_seen(request[VISITOR].account, identifier, draft.version)
        return redirect(f"{DRAFTS_PATH}/{identifier}{self._choose_next(before, draft, then)}")

    def _choose_next(self, before: NoticeDraft, draft: NoticeDraft, then: str) -> str:
        """Return what follows the address of a draft that was just saved."""
        if draft.is_overtaken:
            return "?erledigt=ueberholt"
        if then != "check":
            is_taken_back = before.state in SUBMITTED_STATES and draft.state not in SUBMITTED_STATES
            return f"?erledigt={'zurueckgenommen' if is_taken_back else 'gespeichert'}"
        return "?pruefen=1" if self._list_errors(draft) else "/pruefung"

    async def show_preview(self, request: web.Request) -> web.Response:
        """Respond with the preview of what the form says, for the script that shows it while somebody writes."""
        content = parse_content(request[FORM], DraftContent())
        return render_page(request, "draft_preview.html", **self._describe(content))

    async def show_versions(self, request: web.Request) -> web.Response:
        draft = await self.drafting.drafts.find(parse_id(request.match_info["draft"]))
        versions = await self.drafting.drafts.list_versions(draft.id)
        return render_page(request, "draft_versions.html", draft=draft, versions=versions)

    def _list_errors(self, draft: NoticeDraft) -> dict[str, str]:
        """Return what is wrong in which field; what is wrong with the whole notice is told by the check."""
        errors: dict[str, str] = {}
        for problem in self.drafting.assessor.find_problems(draft):
            errors.setdefault(FORM_FIELDS.get(problem.field, problem.field), explain_problem(problem))
        return {name: error for name, error in errors.items() if name in DraftContent.__struct_fields__}

    def _render_editor(
        self,
        request: web.Request,
        draft: NoticeDraft,
        form: ShownForm,
        *,
        status: int = 200,
        rejection: Sequence[str] = (),
    ) -> web.Response:
        return render_page(
            request,
            "draft_editor.html",
            status=status,
            is_unsaved=status != 200,
            is_saved=request.query.get("erledigt") in ("gespeichert", "zurueckgenommen", "ueberholt"),
            done=_explain_done(request, draft),
            returned=draft.find_return(),
            rejection=rejection,
            **self._describe_form(draft, form),
            **self._describe(form.content),
        )

    async def _render_conflict(
        self, request: web.Request, identifier: UUID, seen: int, mine: DraftContent
    ) -> web.Response:
        """Return a page with both versions, of which the editor makes one; nothing has been overwritten."""
        versions = {each.version: each.content for each in await self.drafting.drafts.list_versions(identifier)}
        newest = await self.drafting.drafts.find(identifier)
        merged = merge_contents(versions[seen], mine, newest.content) if seen in versions else mine
        return render_page(
            request,
            "draft_conflict.html",
            status=409,
            differences=[FORM_NAMES[name] for name in list_differences(merged, newest.content)],
            **self._describe_form(newest, fill_form(newest.version, merged)),
        )

    @staticmethod
    def _render_unsaved(request: web.Request, form: FormData, refused: DraftRefused) -> web.Response:
        """Return a page with what somebody wrote in a draft that has ended meanwhile."""
        return render_page(
            request,
            "unsaved.html",
            status=422,
            fields=list_filled_in(form, request.app[TOPICS]),
            reason=str(refused),
            advice=_WRITTEN_TOO_LATE,
            next=request.path,
            next_name="Zum Entwurf",
            is_elsewhere=False,
        )

    def _describe_form(self, draft: NoticeDraft, form: ShownForm) -> dict[str, Any]:
        return {
            "draft": draft,
            "form": form,
            "configuration": self._configuration,
            "municipalities": [(each, each) for each in self._configuration.municipalities],
        }

    def _describe(self, content: DraftContent) -> dict[str, Any]:
        return {
            "preview": self._build_preview(content),
            "length": count_length(content),
            "hints": find_hints(content, self.drafting.clock().astimezone(LOCAL_ZONE).date()),
        }

    def _build_preview(self, content: DraftContent, code: str = EXAMPLE_CODE) -> object:
        return build_preview(content, self._configuration.find_topic(content.topic), self.templates, code)

    @property
    def _configuration(self) -> Configuration:
        return self.drafting.assessor.configuration


def _explain_done(request: web.Request, draft: NoticeDraft) -> str:
    """Return what was just done to the draft; empty if nothing was."""
    name = request.query.get("erledigt", "")
    return _APPROVED.get(draft.state, "") if name == "freigegeben" else _DONE.get(name, "")


def _explain_rejection(draft: NoticeDraft, publication: NoticePublication | None) -> list[str]:
    """Return why the draft came back from the notices API; empty if it did not."""
    if draft.state is not DraftState.RETURNED or publication is None or draft.find_return():
        return []
    return [f"{FIELD_NAMES.get(each.field, each.field)}: {explain_problem(each)}" for each in publication.problems]


def choose_code(draft: NoticeDraft, publication: NoticePublication | None) -> str:
    """Return the code that citizens get; what was rejected is published again with another one."""
    return publication.code if publication and draft.state is DraftState.PUBLISHED else EXAMPLE_CODE
