"""The editor's form: parsing and filling it."""

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
    """The form contains values that cannot be stored: `errors` by field; `content` is the whole submitted content."""

    def __init__(self, errors: Mapping[str, str], content: DraftContent) -> None:
        super().__init__(" ".join(f"{FORM_NAMES[name]}: {error}" for name, error in errors.items()))
        self.errors = errors
        self.content = content


@dataclass(frozen=True, kw_only=True)
class ShownForm:
    """The form as rendered; it edits `version` of the draft, and shows `errors` at their fields."""

    version: int
    content: DraftContent
    values: Mapping[str, str]
    errors: Mapping[str, str]


def parse_content(form: FormData, previous: DraftContent) -> DraftContent:
    """Return the content of the form; fields that it lacks keep their previous values. Raises FormRefused."""
    values: dict[str, object] = {name: form[name].strip() for name in _TEXTS if name in form}
    # A text area sends line breaks, which WhatsApp does not allow; they become spaces.
    values |= {name: " ".join(str(values[name]).split()) for name in ("headline", "text") if name in values}
    moments = {name: _parse_moment(form[name]) for name in _MOMENTS if name in form}
    values |= moments
    if "fields" in form:  # browsers do not send unticked boxes
        values |= {"urgent": "urgent" in form, "municipalities": tuple(form.getall("municipalities", []))}
    content = msgspec.structs.replace(previous, **values)
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
    try:
        msgspec.convert({name: value}, DraftContent)
    except msgspec.ValidationError:
        return False
    return True


def _parse_moment(text: str) -> datetime | None:
    """Parse the value of a date field, in the county's time; None if invalid, or skipped by daylight saving time."""
    local = _read_local(text)
    if local is None:
        return None
    # In UTC, as a local time within the repeated hour of autumn would not equal its stored value.
    moment = local.astimezone(UTC)
    return moment if moment.astimezone(LOCAL_ZONE).hour == local.hour else None


def _read_local(text: str) -> datetime | None:
    """Parse the local time of a date field, even one skipped by daylight saving time; None outside of 2000 to 2100."""
    # At the ends of the calendar, converting the time zone overflows.
    with suppress(ValueError):
        local = datetime.fromisoformat(text.strip()[:16]).replace(tzinfo=LOCAL_ZONE)
        if 2000 <= local.year <= 2100:
            return local
    return None


def fill_form(version: int, content: DraftContent, errors: Mapping[str, str] | None = None) -> ShownForm:
    return ShownForm(version=version, content=content, values=build_values(content), errors=errors or {})


def restore_form(form: FormData, refused: FormRefused) -> ShownForm:
    """Return the form as submitted, with its errors, so that its author can continue."""
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
    """Return name and value, in German, of all fields that were filled in."""
    fields = ((FORM_NAMES[name], _show_field(name, form, topics)) for name in DraftContent.__struct_fields__)
    return [(name, value) for name, value in fields if value]


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
    """Return the version that the form edits; 0, which no draft has, if missing or invalid."""
    text = form.get("version", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
