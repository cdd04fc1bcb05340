"""Text of a warning: in the county's language, about its own municipalities, instructions kept when text is cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.feeds.cap.parser import AlertArea, AlertInfo
from services.feeds.configuration import AlertOrigin, UrgentWhen
from services.feeds.content import compute_text_room, truncate_text
from shared.notices.configuration import Configuration
from shared.notices.links import replace_foreign_hosts

WHOLE_COUNTY = "*"
_SEVERITIES = ("Extreme", "Severe", "Moderate", "Minor")
MAX_INSTRUCTION_SHARE = 0.5


def _match_areas(
    areas: Sequence[AlertArea], mapped: Mapping[str, str | tuple[str, ...]], county: Configuration
) -> tuple[str, ...] | None:
    """Return the affected municipalities, none if it is the whole county; None if the county is not affected.

    Areas are known by the configured geocodes and descriptions, and by the names of municipalities. Without a mapping,
    the source is taken to be about this county: an area with an unknown name means all of it.
    """
    found = [_find_municipalities(area, mapped, county) for area in areas]
    names = {name for several in found for name in several}
    if WHOLE_COUNTY in names or not found or not (mapped or all(found)):
        return ()
    return tuple(name for name in county.municipalities if name in names) or None


def _find_municipalities(
    area: AlertArea, mapped: Mapping[str, str | tuple[str, ...]], county: Configuration
) -> set[str]:
    keys = (area.description, *(key for scheme, code in area.geocodes for key in (code, f"{scheme}:{code}")))
    found = {name for name in county.municipalities if name.casefold() == area.description.casefold()}
    for pattern, names in mapped.items():
        if any(_is_match(key.casefold(), pattern.casefold()) for key in keys):
            found.update((names,) if isinstance(names, str) else names)
    return found


def _is_match(key: str, pattern: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


@dataclass(frozen=True)
class LocalWarning:
    """The part of an alert that concerns this county: these municipalities, all of them if none is named."""

    info: AlertInfo
    municipalities: tuple[str, ...]

    @property
    def headline(self) -> str:
        return self.info.headline or self.info.event

    def build_text(self, county: Configuration) -> str:
        """Return description and instruction; if too long, shorten the description before the instruction."""
        room = compute_text_room(self.headline, self.info.web, county)
        description = self.info.description or ("" if self.info.instruction else self.info.event)
        if len(description) + 1 + len(self.info.instruction) <= room:
            return f"{description} {self.info.instruction}".strip()
        instruction = truncate_text(self.info.instruction, int(room * MAX_INSTRUCTION_SHARE))
        return f"{truncate_text(description, room - len(instruction) - 1)} {instruction}".strip()


def select_local_warning(origin: AlertOrigin, infos: Sequence[AlertInfo], county: Configuration) -> LocalWarning | None:
    """Return the most severe info that concerns this county, for all affected municipalities; None if there is none."""
    here = [
        (info, reach)
        for info in filter_by_language(infos, origin.languages)
        if (reach := _match_areas(info.areas, origin.areas, county)) is not None
    ]
    if not here:
        return None
    gravest = min((info for info, _ in here), key=lambda info: _rank(info.severity))
    names = {name for _, reach in here for name in reach} if all(reach for _, reach in here) else set[str]()
    ordered = tuple(name for name in county.municipalities if name in names)
    return LocalWarning(_remove_foreign_hosts(gravest, county), ordered)


def _remove_foreign_hosts(info: AlertInfo, county: Configuration) -> AlertInfo:
    event, headline, description, instruction = (
        replace_foreign_hosts(words, county.link_hosts)
        for words in (info.event, info.headline, info.description, info.instruction)
    )
    return replace(info, event=event, headline=headline, description=description, instruction=instruction)


def filter_by_language(infos: Sequence[AlertInfo], wanted: Sequence[str]) -> list[AlertInfo]:
    """Return the infos in the first wanted language that occurs, otherwise those in the language of the first info."""
    for language in (*wanted, *(info.language for info in infos[:1])):
        found = [info for info in infos if _is_language(info.language, language.lower())]
        if found:
            return found
    return []


def _is_language(language: str, wanted: str) -> bool:
    return language == wanted or language.startswith(f"{wanted}-")


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def is_urgent(info: AlertInfo, when: UrgentWhen) -> bool:
    return info.severity in when.severity and info.urgency in when.urgency
