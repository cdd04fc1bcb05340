"""Lists and buttons under our answers. Whatever they do can be written as well."""

from collections.abc import Iterable

from services.subscriptions.domain.county import County
from services.subscriptions.domain.language.intents import Intent
from services.subscriptions.domain.language.payloads import EVERYTHING, payload, start_payload
from shared.contracts.dispatch import ReplyButton, ReplyMenu, ReplyRow, ReplySection
from shared.municipal.configuration import Topic

MOST_ROWS = 10
LONGEST_TITLE = 24

START = ReplyButton(id=payload(Intent.START), title="Start")
STOP = ReplyButton(id=payload(Intent.STOP), title="Stop")
RESUME = ReplyButton(id=payload(Intent.RESUME), title="Weiter")
WEEK = ReplyButton(id=payload(Intent.PAUSE, "7"), title="1 Woche")
MONTH = ReplyButton(id=payload(Intent.PAUSE, "28"), title="4 Wochen")


def start_with(topics: frozenset[str], places: frozenset[str]) -> ReplyButton:
    """A button that subscribes to just these topics and places."""
    return ReplyButton(id=start_payload(topics, places), title="Start")


def topic_menu(county: County, chosen: frozenset[str]) -> ReplyMenu:
    """Every topic to be taken alone, added or dropped; as many as a list holds."""
    alone = ReplySection(title="Nur ein Thema", rows=tuple(map(_only, county.topics)))
    each = ReplySection(title="Dazu oder weg", rows=tuple(_toggle(topic, chosen) for topic in county.topics))
    every = ReplySection(title="Alles", rows=(ReplyRow(id=payload(Intent.ONLY, EVERYTHING), title="Alle Themen"),))
    fits = 2 * len(county.topics) < MOST_ROWS
    return ReplyMenu(button="Themen wählen", sections=(alone, each, every) if fits else _cut((each,)))


def place_menu(county: County) -> ReplyMenu:
    """The municipalities, and all of them again."""
    every = ReplyRow(id=payload(Intent.PLACES, EVERYTHING), title="Alle Gemeinden")
    rows = [ReplyRow(id=payload(Intent.PLACES, place), title=place) for place in county.municipalities]
    return ReplyMenu(
        button="Gemeinde wählen", sections=(ReplySection(title="Gemeinden", rows=(every, *rows)[:MOST_ROWS]),)
    )


def _only(topic: Topic) -> ReplyRow:
    return ReplyRow(id=payload(Intent.ONLY, topic.id), title=_short(f"Nur {topic.title}"))


def _toggle(topic: Topic, chosen: frozenset[str]) -> ReplyRow:
    intent, description = (Intent.REMOVE, "Abbestellen") if topic.id in chosen else (Intent.ADD, "Dazunehmen")
    return ReplyRow(id=payload(intent, topic.id), title=_short(topic.title), description=description)


def _short(title: str) -> str:
    return title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"


def _cut(sections: Iterable[ReplySection]) -> tuple[ReplySection, ...]:
    return tuple(ReplySection(title=section.title, rows=section.rows[:MOST_ROWS]) for section in sections)
