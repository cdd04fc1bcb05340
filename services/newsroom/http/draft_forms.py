"""The editor's form: what it says, and what it shows."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from services.newsroom.domain.drafts import DraftContent, DraftRefused
from services.newsroom.domain.explanations import FORM_NAMES
from services.newsroom.domain.german import format_moment
from services.newsroom.http.web_pages import FormData
from shared.contracts.hours import LOCAL_ZONE

_NO_MOMENT = "Bitte geben Sie Datum und Uhrzeit an, zum Beispiel 16.11.2026, 18:00 Uhr."
_NO_SUCH_HOUR = "Diese Uhrzeit gibt es an diesem Tag nicht: Die Uhr wird von 2 auf 3 Uhr vorgestellt."
_LOCAL = "%Y-%m-%dT%H:%M"
_TEXTS = ("topic", "headline", "text", "link", "picture", "reason")
_MOMENTS = ("scheduled_at", "expires_at")


class FormRefused(DraftRefused):
    """The form says something that cannot be stored: `errors` tell in which field, `content` is all that it says."""

    def __init__(self, errors: Mapping[str, str], content: DraftContent) -> None:
        super().__init__(" ".join(f"{FORM_NAMES[name]}: {error}" for name, error in errors.items()))
        self.errors = errors
        self.content = content


@dataclass(frozen=True, kw_only=True)
class ShownForm:
    """The form as a page shows it; it changes the draft's `version`, and `errors` stand at their fields."""

    version: int
    content: DraftContent
    values: Mapping[str, str]
    errors: Mapping[str, str]


def parse_content(form: FormData, old: DraftContent) -> DraftContent:
    """Return the content that the form says; fields that it does not have stay. Raises FormRefused."""
    values: dict[str, object] = {name: form[name].strip() for name in _TEXTS if name in form}
    # A text area sends line breaks, which WhatsApp does not allow: an editor means a space by them.
    values |= {name: " ".join(str(values[name]).split()) for name in ("headline", "text") if name in values}
    moments = {name: _parse_moment(form[name]) for name in _MOMENTS if name in form}
    values |= moments
    if "fields" in form:  # boxes that are not ticked are not sent
        values |= {"urgent": "urgent" in form, "municipalities": tuple(form.getall("municipalities", []))}
    content = msgspec.structs.replace(old, **values)
    errors = {
        name: _NO_SUCH_HOUR if _read_local(form[name]) else _NO_MOMENT
        for name, moment in moments.items()
        if moment is None and form[name].strip()
    }
    errors |= {name: "Bitte kürzen Sie das." for name, value in values.items() if not _is_storable(name, value)}
    if errors:
        raise FormRefused(errors, content)
    return content


def _is_storable(name: str, value: object) -> bool:
    """Return whether the value of this field can be stored."""
    try:
        msgspec.convert({name: value}, DraftContent)
    except msgspec.ValidationError:
        return False
    return True


def _parse_moment(text: str) -> datetime | None:
    """Return the moment that a browser's date field says, in the county's time; None if it is no moment of our time."""
    local = _read_local(text)
    if local is None:
        return None
    # In the hour that the clocks repeat, a moment of their zone would equal none that was stored.
    moment = local.astimezone(UTC)
    return moment if moment.astimezone(LOCAL_ZONE).hour == local.hour else None


def _read_local(text: str) -> datetime | None:
    """Return what a date field says, which may be an hour that the clocks leave out; None if it is no date of ours."""
    # At the ends of the calendar another time zone is no date any more.
    with suppress(ValueError):
        local = datetime.fromisoformat(text.strip()[:16]).replace(tzinfo=LOCAL_ZONE)
        if 2000 <= local.year <= 2100:
            return local
    return None


def fill_form(version: int, content: DraftContent, errors: Mapping[str, str] | None = None) -> ShownForm:
    """Return the form that shows the content, and changes this version."""
    return ShownForm(version=version, content=content, values=build_values(content), errors=errors or {})


def restore_form(form: FormData, refused: FormRefused) -> ShownForm:
    """Return the form as it was sent, with its errors: whoever sent it goes on with it."""
    values = {**build_values(refused.content), **{name: form[name] for name in _MOMENTS if name in form}}
    return ShownForm(version=parse_version(form), content=refused.content, values=values, errors=refused.errors)


def build_values(content: DraftContent) -> Mapping[str, str]:
    """Return the values of the form's text fields."""
    texts: dict[str, str] = {name: getattr(content, name) for name in _TEXTS}
    moments = {"scheduled_at": content.scheduled_at, "expires_at": content.expires_at}
    return texts | {
        name: moment.astimezone(LOCAL_ZONE).strftime(_LOCAL) if moment else "" for name, moment in moments.items()
    }


def list_filled_in(form: FormData, topics: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Return name and value, in German, of all that somebody would have to fill in again if the form was lost."""
    shown = ((FORM_NAMES[name], _show_field(name, form, topics)) for name in DraftContent.__struct_fields__)
    return [(name, value) for name, value in shown if value]


def _show_field(name: str, form: FormData, topics: Mapping[str, str]) -> str:
    values = [value.strip() for value in form.getall(name, [])]
    if name == "urgent":
        return "ja" if values else ""
    if name in _MOMENTS:
        moments = ((value, _parse_moment(value)) for value in values)
        values = [format_moment(moment) if moment else value for value, moment in moments]
    if name == "topic":
        values = [topics.get(value, value) for value in values]
    return ", ".join(filter(None, values))


def parse_version(form: FormData) -> int:
    """Return the version that the form was made from; 0, which no draft has, if it says none."""
    text = form.get("version", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
