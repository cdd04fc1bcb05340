"""The editor's form: what it says, what it shows, and two versions of it side by side."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from uuid import UUID

import msgspec
from aiohttp import web

from services.newsroom.adapters.http.rendering import render_page
from services.newsroom.adapters.http.web_pages import FormData
from services.newsroom.domain.drafts import DraftContent, DraftRefused, NoticeDraft
from services.newsroom.domain.german import ZONE
from services.newsroom.ports import DraftNotFound

_LOCAL = "%Y-%m-%dT%H:%M"
_TEXTS = ("topic", "headline", "text", "link", "picture", "reason")


def parse_content(form: FormData, old: DraftContent) -> DraftContent:
    """Return the content that the form says; fields that it does not have stay. Raises DraftRefused."""
    values: dict[str, object] = {name: form[name].strip() for name in _TEXTS if name in form}
    # A text area sends line breaks, which WhatsApp does not allow: an editor means a space by them.
    values |= {name: " ".join(str(values[name]).split()) for name in ("headline", "text") if name in values}
    values |= {name: _parse_moment(form[name]) for name in ("scheduled_at", "expires_at") if name in form}
    if "fields" in form:  # boxes that are not ticked are not sent
        values |= {"urgent": "urgent" in form, "municipalities": tuple(form.getall("municipalities", []))}
    try:
        return msgspec.convert(msgspec.structs.asdict(old) | values, DraftContent)
    except msgspec.ValidationError:
        raise DraftRefused("Ein Feld ist viel zu lang. Bitte kürzen Sie.") from None


def _parse_moment(text: str) -> datetime | None:
    """Return what a browser's date field says, in the county's time. Raises DraftRefused."""
    if not text.strip():
        return None
    # At the ends of the calendar another time zone is no date any more.
    with suppress(ValueError):
        moment = datetime.fromisoformat(text.strip()[:16]).replace(tzinfo=ZONE)
        if 2000 <= moment.year <= 2100:
            return moment
    raise DraftRefused("Bitte geben Sie Datum und Uhrzeit an, zum Beispiel 16.11.2026, 18:00 Uhr.")


def build_values(content: DraftContent) -> Mapping[str, str]:
    """Return the values of the form's text fields."""
    texts: dict[str, str] = {name: getattr(content, name) for name in _TEXTS}
    moments = {"scheduled_at": content.scheduled_at, "expires_at": content.expires_at}
    return texts | {
        name: moment.astimezone(ZONE).strftime(_LOCAL) if moment else "" for name, moment in moments.items()
    }


def parse_version(form: FormData) -> int:
    """Return the version that the form was made from; 0, which no draft has, if it says none."""
    text = form.get("version", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0


def render_conflict(request: web.Request, newest: NoticeDraft, mine: DraftContent) -> web.Response:
    """Return a page with both versions, of which the editor makes one; nothing has been overwritten."""
    return render_page(
        request,
        "draft_conflict.html",
        status=409,
        draft=newest,
        mine=build_values(mine),
        mine_content=mine,
    )


def parse_draft_id(request: web.Request) -> UUID:
    """Return the id in the path. Raises DraftNotFound."""
    try:
        return UUID(request.match_info["draft"])
    except ValueError:
        raise DraftNotFound from None
