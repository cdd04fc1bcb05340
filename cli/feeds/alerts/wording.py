"""What is said of a warning: in the language of the county, about its places, instructions before details."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cli.feeds.alerts.places import Reach, reach_of
from cli.feeds.alerts.reading import Info
from cli.feeds.configuration import AlertOrigin, UrgentWhen
from cli.feeds.plain import shortened
from cli.feeds.wording import text_room
from shared.municipal.configuration import Configuration
from shared.municipal.links import omit_foreign_hosts

_SEVERITIES = ("Extreme", "Severe", "Moderate", "Minor")
SHARE_OF_INSTRUCTION = 0.5


@dataclass(frozen=True)
class Told:
    """The part of an alert that is about this county."""

    info: Info
    reach: Reach

    @property
    def headline(self) -> str:
        return self.info.headline or self.info.event

    def text(self, county: Configuration) -> str:
        """Description and instruction; what people are to do is not what gets cut off."""
        room = text_room(self.headline, self.info.web, county)
        description = self.info.description or ("" if self.info.instruction else self.info.event)
        if len(description) + 1 + len(self.info.instruction) <= room:
            return f"{description} {self.info.instruction}".strip()
        instruction = shortened(self.info.instruction, int(room * SHARE_OF_INSTRUCTION))
        return f"{shortened(description, room - len(instruction) - 1)} {instruction}".strip()


def told_here(origin: AlertOrigin, infos: Sequence[Info], county: Configuration) -> Told | None:
    """The most severe of what concerns this county, for all the places of it; None if nothing does."""
    here = [
        (info, reach)
        for info in in_language(infos, origin.languages)
        if (reach := reach_of(info.areas, origin.areas, county)).here
    ]
    if not here:
        return None
    gravest = min((info for info, _ in here), key=lambda info: _rank(info.severity))
    everywhere = any(not reach.municipalities for _, reach in here)
    names = {name for _, reach in here for name in reach.municipalities}
    ordered = tuple(name for name in county.municipalities if name in names)
    return Told(_without_foreign_hosts(gravest, county), Reach(True, () if everywhere else ordered))


def _without_foreign_hosts(info: Info, county: Configuration) -> Info:
    event, headline, description, instruction = (
        omit_foreign_hosts(words, county.link_hosts)
        for words in (info.event, info.headline, info.description, info.instruction)
    )
    return replace(info, event=event, headline=headline, description=description, instruction=instruction)


def in_language(infos: Sequence[Info], wanted: Sequence[str]) -> list[Info]:
    """Those in the first language that is there; if none is, those in the language of the first."""
    for language in (*wanted, *(info.language for info in infos[:1])):
        found = [info for info in infos if _is(info.language, language.lower())]
        if found:
            return found
    return []


def _is(language: str, wanted: str) -> bool:
    return language == wanted or language.startswith(f"{wanted}-")


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def is_urgent(info: Info, when: UrgentWhen) -> bool:
    return info.severity in when.severity and info.urgency in when.urgency
