"""Lists and buttons under our replies. Everything that they do can be written as text as well."""

from collections.abc import Iterable

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.payloads import EVERYTHING, build_payload, build_start_payload
from shared.contracts.dispatch import ReplyButton, ReplyMenu, ReplyRow, ReplySection
from shared.notices.configuration import Topic

MAX_ROWS = 10
MAX_TITLE_LENGTH = 24

START = ReplyButton(id=build_payload(Intent.START), title="Start")
STOP = ReplyButton(id=build_payload(Intent.STOP), title="Stop")
RESUME = ReplyButton(id=build_payload(Intent.RESUME), title="Weiter")
WEEK = ReplyButton(id=build_payload(Intent.PAUSE, "7"), title="1 Woche")
MONTH = ReplyButton(id=build_payload(Intent.PAUSE, "28"), title="4 Wochen")


def build_start_button(topics: frozenset[str], places: frozenset[str]) -> ReplyButton:
    """Return a button that subscribes to exactly these topics and places."""
    return ReplyButton(id=build_start_payload(topics, places), title="Start")


def build_topic_menu(county: County, chosen: frozenset[str]) -> ReplyMenu:
    """Return a menu to choose each topic alone, or to add or drop it; as many as a list has room for."""
    alone = ReplySection(title="Nur ein Thema", rows=tuple(map(_build_only_row, county.topics)))
    each = ReplySection(title="Dazu oder weg", rows=tuple(_build_toggle_row(topic, chosen) for topic in county.topics))
    every = ReplySection(
        title="Alles", rows=(ReplyRow(id=build_payload(Intent.ONLY, EVERYTHING), title="Alle Themen"),)
    )
    fits = 2 * len(county.topics) < MAX_ROWS
    return ReplyMenu(button="Themen wählen", sections=(alone, each, every) if fits else _cut_rows((each,)))


def build_place_menu(county: County) -> ReplyMenu:
    """Return a menu of all municipalities together, followed by each of them."""
    every = ReplyRow(id=build_payload(Intent.PLACES, EVERYTHING), title="Alle Gemeinden")
    rows = [ReplyRow(id=build_payload(Intent.PLACES, place), title=place) for place in county.municipalities]
    return ReplyMenu(
        button="Gemeinde wählen", sections=(ReplySection(title="Gemeinden", rows=(every, *rows)[:MAX_ROWS]),)
    )


def _build_only_row(topic: Topic) -> ReplyRow:
    return ReplyRow(id=build_payload(Intent.ONLY, topic.id), title=_truncate_title(f"Nur {topic.title}"))


def _build_toggle_row(topic: Topic, chosen: frozenset[str]) -> ReplyRow:
    intent, description = (Intent.REMOVE, "Abbestellen") if topic.id in chosen else (Intent.ADD, "Dazunehmen")
    return ReplyRow(id=build_payload(intent, topic.id), title=_truncate_title(topic.title), description=description)


def _truncate_title(title: str) -> str:
    return title if len(title) <= MAX_TITLE_LENGTH else f"{title[: MAX_TITLE_LENGTH - 1]}…"


def _cut_rows(sections: Iterable[ReplySection]) -> tuple[ReplySection, ...]:
    return tuple(ReplySection(title=section.title, rows=section.rows[:MAX_ROWS]) for section in sections)
