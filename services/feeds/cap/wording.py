"""Selection of language and areas for this county, and text of a warning that keeps instructions when shortened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.feeds.cap.parser import AlertArea, AlertInfo
from services.feeds.configuration import AlertOrigin, UrgentWhen
from services.feeds.content import compute_text_room, truncate_text
from shared.contracts.text import count_units
from shared.notices.configuration import Configuration
from shared.notices.links import replace_foreign_hosts

WHOLE_COUNTY = "*"
_SEVERITIES = ("Extreme", "Severe", "Moderate", "Minor")
MAX_INSTRUCTION_SHARE = 0.5


def _match_areas(
    areas: Sequence[AlertArea], mapped: Mapping[str, str | tuple[str, ...]], county: Configuration
) -> tuple[str, ...] | None:
    """Return the affected municipalities, empty for the whole county; None if the county is not affected.

    Areas are matched by the configured geocodes and descriptions, and by names of municipalities. Without a mapping,
    the source is assumed to be about this county: an unknown area means all of it.
    """
    matches = [_find_municipalities(area, mapped, county) for area in areas]
    names = {name for match in matches for name in match}
    if WHOLE_COUNTY in names or not matches or not (mapped or all(matches)):
        return ()
    return tuple(name for name in county.municipalities if name in names) or None


def _find_municipalities(
    area: AlertArea, mapped: Mapping[str, str | tuple[str, ...]], county: Configuration
) -> set[str]:
    keys = (area.description, *(key for scheme, code in area.geocodes for key in (code, f"{scheme}:{code}")))
    municipalities = {name for name in county.municipalities if name.casefold() == area.description.casefold()}
    for pattern, names in mapped.items():
        if any(_is_match(key.casefold(), pattern.casefold()) for key in keys):
            municipalities.update((names,) if isinstance(names, str) else names)
    return municipalities


def _is_match(key: str, pattern: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


@dataclass(frozen=True)
class LocalWarning:
    """The part of an alert that affects this county; empty `municipalities` mean the whole county."""

    info: AlertInfo
    municipalities: tuple[str, ...]

    @property
    def headline(self) -> str:
        return self.info.headline or self.info.event

    def build_text(self, county: Configuration) -> str:
        """Return description and instruction; if too long, shorten mainly the description."""
        room = compute_text_room(self.headline, self.info.web, county)
        description = self.info.description or ("" if self.info.instruction else self.info.event)
        if count_units(f"{description} {self.info.instruction}") <= room:
            return f"{description} {self.info.instruction}".strip()
        instruction = truncate_text(self.info.instruction, int(room * MAX_INSTRUCTION_SHARE))
        return f"{truncate_text(description, room - count_units(instruction) - 1)} {instruction}".strip()


def select_local_warning(origin: AlertOrigin, infos: Sequence[AlertInfo], county: Configuration) -> LocalWarning | None:
    """Return the most severe info that affects this county, with all affected municipalities; None if there is none."""
    local = [
        (info, reach)
        for info in filter_by_language(infos, origin.languages)
        if (reach := _match_areas(info.areas, origin.areas, county)) is not None
    ]
    if not local:
        return None
    most_severe = min((info for info, _ in local), key=lambda info: _rank(info.severity))
    names = {name for _, reach in local for name in reach} if all(reach for _, reach in local) else set[str]()
    ordered = tuple(name for name in county.municipalities if name in names)
    return LocalWarning(_remove_foreign_hosts(most_severe, county), ordered)


def _remove_foreign_hosts(info: AlertInfo, county: Configuration) -> AlertInfo:
    event, headline, description, instruction = (
        replace_foreign_hosts(words, county.link_hosts)
        for words in (info.event, info.headline, info.description, info.instruction)
    )
    return replace(info, event=event, headline=headline, description=description, instruction=instruction)


def filter_by_language(infos: Sequence[AlertInfo], languages: Sequence[str]) -> list[AlertInfo]:
    """Return the infos in the first of `languages` that occurs, otherwise those in the language of the first info."""
    for language in (*languages, *(info.language for info in infos[:1])):
        matching = [info for info in infos if _is_language(info.language, language.lower())]
        if matching:
            return matching
    return []


def _is_language(language: str, prefix: str) -> bool:
    return language == prefix or language.startswith(f"{prefix}-")


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def is_urgent(info: AlertInfo, when: UrgentWhen) -> bool:
    return info.severity in when.severity and info.urgency in when.urgency
