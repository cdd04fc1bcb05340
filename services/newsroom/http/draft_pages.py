"""Pages for writing notices: list, editor, preview, versions."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from services.newsroom.domain.accounts import Right
from services.newsroom.domain.drafts import (
    MAX_TEXT_LENGTH,
    OVERTAKEN,
    SUBMITTED_STATES,
    WRITING_STATES,
    DraftConflict,
    DraftContent,
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
from services.newsroom.domain.preview import EXAMPLE_CODE, MAX_LENGTH, count_length
from services.newsroom.http.draft_forms import (
    FormRefused,
    ShownForm,
    fill_form,
    list_filled_in,
    parse_content,
    parse_version,
    restore_form,
)
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import render_page
from services.newsroom.http.streams import stream_changes
from services.newsroom.http.web_pages import (
    FORM,
    VISITOR,
    FormData,
    WebPage,
    parse_before,
    parse_id,
    redirect,
)
from shared.contracts.hours import LOCAL_ZONE
from shared.runtime.clock import system_clock

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


async def show_list(newsroom: Newsroom, request: web.Request) -> web.Response:
    """Show the newest drafts of each list, or older ones of a single list."""
    drafts, list_name, before = newsroom.drafts, request.query.get("liste", ""), parse_before(request)
    is_older = list_name in _LISTS and before is not None
    names, before = ((list_name,), before) if is_older else (_LISTS, None)
    return render_page(
        request,
        "drafts.html",
        lists={name: await drafts.list_drafts(_LISTS[name], MAX_LISTED + 1, before=before) for name in names},
        unreviewed=[] if is_older else await drafts.list_unreviewed(),
        is_older=is_older,
        limit=MAX_LISTED,
    )


async def find_draft(newsroom: Newsroom, request: web.Request) -> NoticeDraft:
    """Return the draft in the path. Raises HTTPNotFound and DraftNotFound."""
    return await newsroom.drafts.find(parse_id(request.match_info["draft"]))


async def create(newsroom: Newsroom, request: web.Request) -> web.Response:
    draft = await newsroom.drafting.create(request[VISITOR].account, DraftContent())
    return redirect(f"{DRAFTS_PATH}/{draft.id}")


async def show(newsroom: Newsroom, request: web.Request) -> web.Response:
    """Show the editor to writers, otherwise the draft itself; redirect from a published draft to its broadcast."""
    draft = await find_draft(newsroom, request)
    publication = await newsroom.publications.find_newest(draft.id)
    may_write = request[VISITOR].account.may(Right.WRITE)
    is_begun = draft.state in WRITING_STATES or "bearbeiten" in request.query
    if draft.is_open and may_write and is_begun and draft.kind is not DraftKind.WITHDRAWAL:
        errors = _list_errors(newsroom, draft) if "pruefen" in request.query else {}
        form = fill_form(draft.version, draft.content, errors)
        return _render_editor(newsroom, request, draft, form, rejection=_explain_rejection(draft, publication))
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
        preview=newsroom.build_preview(draft.content, choose_code(draft, publication)),
        **await _find_withdrawn(newsroom, draft, publication),
    )


async def stream(newsroom: Newsroom, request: web.Request) -> web.StreamResponse:
    """Stream the progress of a published draft's handover until it is settled or the session has ended."""
    draft = await find_draft(newsroom, request)
    if await newsroom.publications.find_newest(draft.id) is None:
        raise web.HTTPNotFound
    return await stream_changes(
        request,
        newsroom.ended,
        newsroom.handovers,
        draft.id,
        "draft_handover.html",
        lambda latest: {"draft": draft, "publication": latest},
        is_over=lambda latest: latest.is_settled,
    )


async def _find_withdrawn(
    newsroom: Newsroom, draft: NoticeDraft, publication: NoticePublication | None
) -> dict[str, Any]:
    """Return template values about the withdrawn notice: newest broadcast, related ones, and original draft."""
    if publication is None or draft.kind is not DraftKind.WITHDRAWAL:
        return {"withdrawn": None, "related": ()}
    revisions = await newsroom.statuses.list_revisions(publication.event["source"], draft.subject)
    if not revisions:
        return {"withdrawn": None, "related": ()}
    published = await newsroom.publications.find_published(revisions[0].id)
    return {
        "withdrawn": revisions[0],
        "related": [revisions[0], *await newsroom.statuses.list_related(revisions[0].id)],
        "followed": await newsroom.statuses.find_followed(revisions[0].id),
        "original": await newsroom.drafts.find(published.draft) if published else None,
    }


async def save(newsroom: Newsroom, request: web.Request) -> web.Response:
    """Save; the form's `then` marks an autosave by the script, or continues to the check.

    An autosave takes back a submitted draft only if the page said of this version that it would.
    """
    previous, form = await find_draft(newsroom, request), request[FORM]
    draft_id, next_step = previous.id, form.get("then", "")
    takes_back = next_step != "autosave" or form.get("told") == form.get("version")
    try:
        content = parse_content(form, previous.content)
        draft = await newsroom.drafting.save(
            request[VISITOR].account, draft_id, parse_version(form), content, takes_back=takes_back
        )
    except DraftConflict:
        if next_step == "autosave":
            return web.json_response({"conflict": f"{DRAFTS_PATH}/{draft_id}"}, status=409)
        return await _render_conflict(newsroom, request, draft_id, parse_version(form), content)
    except DraftRefused as refused:
        if next_step == "autosave":
            may_continue = isinstance(refused, FormRefused | DraftSubmitted)
            advice = "" if may_continue else f" Kopieren Sie Ihren Text. {_WRITTEN_TOO_LATE}"
            return web.json_response({"refused": f"{refused}{advice}"}, status=422)
        if isinstance(refused, FormRefused) and previous.is_open:
            return _render_editor(newsroom, request, previous, restore_form(form, refused), status=422)
        return _render_unsaved(newsroom, request, form, refused)
    if next_step == "autosave":
        return web.json_response({"version": draft.version})
    if draft.is_overtaken:  # the next page shows it
        await newsroom.drafting.mark_newest_seen(request[VISITOR].account, draft_id, draft.version)
    return redirect(f"{DRAFTS_PATH}/{draft_id}{_choose_next(newsroom, previous, draft, next_step)}")


def _choose_next(newsroom: Newsroom, previous: NoticeDraft, draft: NoticeDraft, next_step: str) -> str:
    if draft.is_overtaken:
        return "?erledigt=ueberholt"
    if next_step != "check":
        is_taken_back = previous.state in SUBMITTED_STATES and draft.state not in SUBMITTED_STATES
        return f"?erledigt={'zurueckgenommen' if is_taken_back else 'gespeichert'}"
    return "?pruefen=1" if _list_errors(newsroom, draft) else "/pruefung"


async def show_preview(newsroom: Newsroom, request: web.Request) -> web.Response:
    """Respond with the preview of the form, for the script that updates it during writing."""
    content = parse_content(request[FORM], DraftContent())
    return render_page(request, "draft_preview.html", **_describe(newsroom, content))


async def show_versions(newsroom: Newsroom, request: web.Request) -> web.Response:
    draft = await find_draft(newsroom, request)
    versions = await newsroom.drafts.list_versions(draft.id)
    return render_page(request, "draft_versions.html", draft=draft, versions=versions)


def _list_errors(newsroom: Newsroom, draft: NoticeDraft) -> dict[str, str]:
    """Return the errors by field; problems of the notice as a whole are left to the check."""
    errors: dict[str, str] = {}
    for problem in newsroom.assessor.find_problems(draft):
        errors.setdefault(FORM_FIELDS.get(problem.field, problem.field), explain_problem(problem))
    return {name: error for name, error in errors.items() if name in DraftContent.__struct_fields__}


def _render_editor(
    newsroom: Newsroom,
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
        **_describe_form(newsroom, draft, form),
        **_describe(newsroom, form.content),
    )


async def _render_conflict(
    newsroom: Newsroom, request: web.Request, draft_id: UUID, version: int, mine: DraftContent
) -> web.Response:
    """Return a page to merge both versions; nothing has been overwritten."""
    versions = {
        draft_version.version: draft_version.content for draft_version in await newsroom.drafts.list_versions(draft_id)
    }
    newest = await newsroom.drafts.find(draft_id)
    merged = merge_contents(versions[version], mine, newest.content) if version in versions else mine
    return render_page(
        request,
        "draft_conflict.html",
        status=409,
        differences=[FORM_NAMES[name] for name in list_differences(merged, newest.content)],
        **_describe_form(newsroom, newest, fill_form(newest.version, merged)),
    )


def _render_unsaved(newsroom: Newsroom, request: web.Request, form: FormData, refused: DraftRefused) -> web.Response:
    """Return a page with the text written in a draft that has been closed meanwhile."""
    return render_page(
        request,
        "unsaved.html",
        status=422,
        fields=list_filled_in(form, newsroom.topics),
        reason=str(refused),
        advice=_WRITTEN_TOO_LATE,
        next=request.path,
        next_name="Zum Entwurf",
        is_elsewhere=False,
    )


def _describe_form(newsroom: Newsroom, draft: NoticeDraft, form: ShownForm) -> dict[str, Any]:
    return {
        "draft": draft,
        "form": form,
        "configuration": newsroom.county,
        "municipalities": [(name, name) for name in newsroom.county.municipalities],
    }


def _describe(newsroom: Newsroom, content: DraftContent) -> dict[str, Any]:
    """Return template values about the content; it may be too long to be stored, and a preview of all take seconds."""
    shown = {name: getattr(content, name)[:MAX_TEXT_LENGTH] for name in ("headline", "text", "link")}
    return {
        "preview": newsroom.build_preview(msgspec.structs.replace(content, **shown)),
        "length": count_length(content),
        "max_length": MAX_LENGTH,
        "hints": find_hints(content, system_clock().astimezone(LOCAL_ZONE).date()),
    }


def _explain_done(request: web.Request, draft: NoticeDraft) -> str:
    name = request.query.get("erledigt", "")
    return _APPROVED.get(draft.state, "") if name == "freigegeben" else _DONE.get(name, "")


def _explain_rejection(draft: NoticeDraft, publication: NoticePublication | None) -> list[str]:
    if draft.state is not DraftState.RETURNED or publication is None or draft.find_return():
        return []
    return [f"{FIELD_NAMES.get(each.field, each.field)}: {explain_problem(each)}" for each in publication.problems]


def choose_code(draft: NoticeDraft, publication: NoticePublication | None) -> str:
    """Return the code that citizens get, an example unless published: a rejected draft gets another code."""
    return publication.code if publication and draft.state is DraftState.PUBLISHED else EXAMPLE_CODE


PAGES = (
    WebPage("GET", DRAFTS_PATH, show_list, Right.VIEW, title="Entwürfe"),
    WebPage("POST", DRAFTS_PATH, create, Right.WRITE),
    WebPage("POST", "/vorschau", show_preview, Right.WRITE),
    WebPage("GET", DRAFT_PATH, show, Right.VIEW),
    WebPage("POST", DRAFT_PATH, save, Right.WRITE),
    WebPage("GET", f"{DRAFT_PATH}/strom", stream, Right.VIEW),
    WebPage("GET", f"{DRAFT_PATH}/staende", show_versions, Right.VIEW),
)
