"""Mapping from the areas of a warning to municipalities."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.feeds.cap.parser import AlertArea
from shared.notices.configuration import Configuration

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
