"""Text of a warning: in the county's language, about its own municipalities, instructions kept when text is cut."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.feeds.cap.parser import AlertArea, AlertInfo
from services.feeds.configuration import AlertOrigin, UrgentWhen
from services.feeds.content import compute_text_room, truncate_text
from shared.notices.configuration import Configuration
from shared.notices.links import replace_foreign_hosts

WHOLE_COUNTY = "*"


@dataclass(frozen=True)
class AffectedArea:
    """Affected part of the county: none (`here` is false), all (no municipalities), or these municipalities."""

    here: bool
    municipalities: tuple[str, ...] = ()


def match_areas(
    areas: Iterable[AlertArea], mapped: Mapping[str, str | tuple[str, ...]], county: Configuration
) -> AffectedArea:
    """Match areas by the configured geocodes and descriptions, and by the names of municipalities.

    Without a mapping, the source is taken to be about this county: an area with an unknown name means all of it.
    """
    found: set[str] = set()
    areas = tuple(areas)
    for area in areas:
        found |= _find_municipalities(area, mapped, county)
    if WHOLE_COUNTY in found or not areas:
        return AffectedArea(True)
    if not found:
        return AffectedArea(not mapped)
    unknown = not mapped and any(not _find_municipalities(area, mapped, county) for area in areas)
    return (
        AffectedArea(True)
        if unknown
        else AffectedArea(True, tuple(name for name in county.municipalities if name in found))
    )


def _find_municipalities(
    area: AlertArea, mapped: Mapping[str, str | tuple[str, ...]], county: Configuration
) -> set[str]:
    keys = (area.description, *(key for scheme, code in area.geocodes for key in (code, f"{scheme}:{code}")))
    found = {name for key in keys for name in _map_key(key, mapped)}
    named = {name for name in county.municipalities if name.casefold() == area.description.casefold()}
    return found | named


def _map_key(key: str, mapped: Mapping[str, str | tuple[str, ...]]) -> Iterable[str]:
    for pattern, names in mapped.items():
        if _is_match(key.casefold(), pattern.casefold()):
            yield from (names,) if isinstance(names, str) else names


def _is_match(key: str, pattern: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


_SEVERITIES = ("Extreme", "Severe", "Moderate", "Minor")
MAX_INSTRUCTION_SHARE = 0.5


@dataclass(frozen=True)
class LocalWarning:
    """The part of an alert that concerns this county."""

    info: AlertInfo
    area: AffectedArea

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
        if (reach := match_areas(info.areas, origin.areas, county)).here
    ]
    if not here:
        return None
    gravest = min((info for info, _ in here), key=lambda info: _rank(info.severity))
    everywhere = any(not reach.municipalities for _, reach in here)
    names = {name for _, reach in here for name in reach.municipalities}
    ordered = tuple(name for name in county.municipalities if name in names)
    return LocalWarning(_remove_foreign_hosts(gravest, county), AffectedArea(True, () if everywhere else ordered))


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
