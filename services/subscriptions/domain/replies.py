"""Replies to one person: a text with buttons or a list; every choice can also be written as text."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.subscriptions.domain import conversation
from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.intent import EVERYTHING, Intent, build_payload, build_start_payload
from services.subscriptions.domain.intents.text import cut_middle
from services.subscriptions.domain.subscriber import Subscriber
from services.subscriptions.domain.wording import (
    Wording,
    Wordings,
    build_receipt_wording,
    build_start_question,
    build_wordings,
)
from shared.contracts.dispatch import ReplyButton, ReplyMenu, ReplyRow, ReplySection
from shared.contracts.hours import LOCAL_ZONE
from shared.notices.configuration import Topic

MAX_ROWS = 10
MAX_TITLE_LENGTH = 24
# WhatsApp's limits of a text with buttons or a list, and of one without.
MAX_BODY_LENGTH, MAX_TEXT_LENGTH = 1_024, 4_096
_TAPPING = re.compile(r"([Tt])ippen Sie \w+ auf \w+(?: wählen)?,? oder (\w)")

START = ReplyButton(id=build_payload(Intent.START), title="Start")
STOP = ReplyButton(id=build_payload(Intent.STOP), title="Stop")
RESUME = ReplyButton(id=build_payload(Intent.RESUME), title="Weiter")
WEEK = ReplyButton(id=build_payload(Intent.PAUSE, "7"), title="1 Woche")
MONTH = ReplyButton(id=build_payload(Intent.PAUSE, "28"), title="4 Wochen")


def build_topic_menu(county: County, current: frozenset[str]) -> ReplyMenu:
    """Return a menu to choose each topic alone, or to add or drop it; as many rows as a list may have."""
    toggle_rows = tuple(_build_toggle_row(topic, current) for topic in county.topics)
    toggles = ReplySection(title="Dazu oder weg", rows=toggle_rows[:MAX_ROWS])
    if 2 * len(county.topics) >= MAX_ROWS:
        return ReplyMenu(button="Themen wählen", sections=(toggles,))
    only_rows = tuple(
        ReplyRow(id=build_payload(Intent.ONLY, topic.id), title=_truncate_title(f"Nur {topic.title}"))
        for topic in county.topics
    )
    only = ReplySection(title="Nur ein Thema", rows=only_rows)
    everything = ReplyRow(id=build_payload(Intent.ONLY, EVERYTHING), title="Alle Themen")
    return ReplyMenu(button="Themen wählen", sections=(only, toggles, ReplySection(title="Alles", rows=(everything,))))


def build_place_menu(county: County) -> ReplyMenu:
    """Return a menu of all municipalities together, followed by each of them."""
    all_places = ReplyRow(id=build_payload(Intent.PLACES, EVERYTHING), title="Alle Gemeinden")
    rows = [ReplyRow(id=build_payload(Intent.PLACES, place), title=place) for place in county.municipalities]
    section = ReplySection(title="Gemeinden", rows=(all_places, *rows)[:MAX_ROWS])
    return ReplyMenu(button="Gemeinde wählen", sections=(section,))


def _build_toggle_row(topic: Topic, current: frozenset[str]) -> ReplyRow:
    intent, description = (Intent.REMOVE, "Abbestellen") if topic.id in current else (Intent.ADD, "Dazunehmen")
    return ReplyRow(id=build_payload(intent, topic.id), title=_truncate_title(topic.title), description=description)


def _truncate_title(title: str) -> str:
    return title if len(title) <= MAX_TITLE_LENGTH else f"{title[: MAX_TITLE_LENGTH - 1]}…"


TRIAL_HEADING = "Testnachricht der Redaktion, nicht veröffentlicht:"
_MONTHS = ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
    "Dezember")  # fmt: skip


@dataclass(frozen=True)
class ReplyContent:
    """Text with either buttons or a menu. `question` is the payload of the question in it, as in `conversation`."""

    wording: Wording
    buttons: tuple[ReplyButton, ...] = ()
    menu: ReplyMenu | None = None
    question: str = ""

    @property
    def text(self) -> str:
        return self.wording.text

    def fit(self) -> "ReplyContent":
        """Return the reply as WhatsApp accepts it.

        With many topics or places the text is too long for buttons or a list; each choice can also be written.
        """
        if len(self.text) <= (MAX_BODY_LENGTH if self.buttons or self.menu else MAX_TEXT_LENGTH):
            return self
        text = _TAPPING.sub(lambda match: match[2].upper() if match[1] == "T" else match[2], self.text)
        wording = Wording(self.wording.version, cut_middle(text, MAX_TEXT_LENGTH))
        return replace(self, wording=wording, buttons=(), menu=None)


@dataclass(frozen=True)
class ReplyBuilder:
    """Builder of all replies of a county."""

    county: County

    @property
    def texts(self) -> Wordings:
        return build_wordings(self.county)

    def build_receipt(self, subscriber: Subscriber) -> ReplyContent:
        topics, places = self.join_titles(subscriber.topics), self._describe_places(subscriber)
        wording = build_receipt_wording(self.county, topics, places)
        return ReplyContent(wording, menu=build_topic_menu(self.county, subscriber.topics))

    def build_already_subscribed(self, subscriber: Subscriber, now: datetime) -> ReplyContent:
        state = self._describe_state(subscriber, now)
        return self.build_text(f"Sie sind angemeldet. {state}\n\n{self._describe_options(subscriber)}")

    def build_topics(self, subscriber: Subscriber, now: datetime) -> ReplyContent:
        numbers = "\n".join(f"{number} {topic.title}" for number, topic in enumerate(self.county.topics, 1))
        text = (
            f"Sie sind angemeldet. {self._describe_state(subscriber, now)}\n\n{numbers}\n\n"
            "Tippen Sie unten auf Themen wählen, oder schreiben Sie die Nummern, zum Beispiel 1 3. "
            "Für alle Themen schreiben Sie: alle"
        )
        return self.build_text(text, menu=build_topic_menu(self.county, subscriber.topics))

    def build_topics_for_stranger(self) -> ReplyContent:
        topics = self.join_titles(self.county.topic_ids)
        text = f"Sie sind nicht angemeldet. Der {self.county.name} informiert zu: {topics}.\n\nAnmelden: Start"
        return self.build_text(text, buttons=(START,))

    def build_choice(self, subscriber: Subscriber, now: datetime) -> ReplyContent:
        return self.build_text(f"{self._describe_state(subscriber, now)}\n\n{self._describe_options(subscriber)}")

    def build_places(self, subscriber: Subscriber, now: datetime) -> ReplyContent:
        if not self.county.has_places:
            return self.build_topics(subscriber, now)
        example = self.county.municipalities[0]
        text = (
            f"{self._describe_places(subscriber) or self._describe_all_places(subscriber)}\n\n"
            f"Tippen Sie unten auf Gemeinde wählen, oder schreiben Sie zum Beispiel nur {example}. "
            "Für alle Orte schreiben Sie: alle Gemeinden"
        )
        return self.build_text(text, menu=build_place_menu(self.county), question=conversation.PLACES)

    def build_pause(self, until: datetime, note: str) -> ReplyContent:
        last_day = format_day(until - timedelta(seconds=1))
        text = (
            f"Pause bis einschließlich {last_day}. Danach erhalten Sie wieder Meldungen."
            f" {note}\n\n"
            "Andere Dauer: zum Beispiel Pause 3 Wochen oder Pause bis 24.12.\n"
            "Früher fortsetzen: Weiter\nAbmelden: Stop"
        )
        return self.build_text(text, buttons=(RESUME, WEEK, MONTH))

    def build_resume(self, subscriber: Subscriber, now: datetime) -> ReplyContent:
        return self.build_text(f"Die Pause ist beendet. {self._describe_state(subscriber, now)}\n\nAbmelden: Stop")

    def ask_start(self, topics: frozenset[str] = frozenset(), places: frozenset[str] = frozenset()) -> ReplyContent:
        """Ask whether to subscribe, to these topics and places if any are given."""
        button = ReplyButton(id=build_start_payload(self.county, topics, places), title="Start")
        about = f" zu {join_words(self._list_titles(topics))}" if topics else ""
        area = f" für {join_words(sorted(places))}" if places else ""
        wording = build_start_question(self.county, about + area)
        return ReplyContent(wording, buttons=(button,), question=button.id)

    def ask_stop(self) -> ReplyContent:
        return ReplyContent(self.texts.ask_stop, buttons=(STOP,), question=conversation.STOP)

    def ask_both(self) -> ReplyContent:
        return ReplyContent(self.texts.ask_both, buttons=(START, STOP), question=conversation.BOTH)

    def ask_erase(self) -> ReplyContent:
        return ReplyContent(self.texts.ask_erase, question=conversation.ERASE)

    def ask_feedback(self) -> ReplyContent:
        return ReplyContent(self.texts.feedback_how, question=conversation.FEEDBACK)

    def build_trial(self, text: str) -> ReplyContent:
        """Return a newsroom text, marked as a trial; if it is empty, the reply to an invalid code."""
        return self.build_text(f"{TRIAL_HEADING}\n\n{text}") if text else ReplyContent(self.texts.trial_over)

    def join_titles(self, topics: Iterable[str]) -> str:
        return ", ".join(self._list_titles(topics))

    def _list_titles(self, topics: Iterable[str]) -> list[str]:
        identifiers = set(topics)
        return [topic.title for topic in self.county.topics if topic.id in identifiers]

    def build_text(
        self, text: str, *, buttons: tuple[ReplyButton, ...] = (), menu: ReplyMenu | None = None, question: str = ""
    ) -> ReplyContent:
        return ReplyContent(Wording(self.county.wording_version, text), buttons=buttons, menu=menu, question=question)

    def _describe_state(self, subscriber: Subscriber, now: datetime) -> str:
        titles = self.join_titles(subscriber.topics)
        parts = [f"Ihre Themen: {titles}." if titles else "Ihre bisherigen Themen gibt es nicht mehr."]
        places = self._describe_places(subscriber)
        if places:
            parts.append(places)
        if subscriber.paused_until and subscriber.is_paused(now):
            parts.append(f"Pause bis einschließlich {format_day(subscriber.paused_until - timedelta(seconds=1))}.")
        return " ".join(parts)

    def _describe_places(self, subscriber: Subscriber) -> str:
        """Describe the chosen places; empty if none is chosen, or no topic depends on them."""
        local = self._list_titles(self.county.local_topics & subscriber.topics)
        if not (subscriber.places and local):
            return ""
        return f"Zu {join_words(local)} erhalten Sie nur Meldungen für {join_words(sorted(subscriber.places))}."

    def _describe_all_places(self, subscriber: Subscriber) -> str:
        """Describe that messages cover all places, or that no chosen topic depends on places."""
        local = self._list_titles(self.county.local_topics & subscriber.topics)
        if local:
            return f"Zu {join_words(local)} erhalten Sie Meldungen für alle Gemeinden."
        stored_places = f" Gespeicherte Orte: {join_words(sorted(subscriber.places))}." if subscriber.places else ""
        others = join_words(self._list_titles(self.county.local_topics))
        return f"Zu {others} erhalten Sie keine Meldungen.{stored_places}\nThemen ändern: Themen"

    def _describe_options(self, subscriber: Subscriber) -> str:
        places = "Orte ändern: Gemeinden\n" if self._describe_places(subscriber) else ""
        return f"Themen ändern: Themen\n{places}Abmelden: Stop"


def require_short_replies(county: County) -> None:
    """Raise ValueError if a reply that names all topics and municipalities is too long even for a plain text."""
    builder, now = ReplyBuilder(county), datetime(2000, 1, 1, tzinfo=UTC)
    everything = Subscriber(
        id=UUID(int=0),
        topics=county.topic_ids,
        places=frozenset(county.municipalities),
        paused_until=now + timedelta(days=1),
    )
    describe = (builder.build_already_subscribed, builder.build_topics, builder.build_choice, builder.build_places)
    replies = (
        builder.build_receipt(everything),
        builder.ask_start(county.topic_ids, everything.places),
        builder.build_topics_for_stranger(),
        *(build(everything, now) for build in (*describe, builder.build_resume)),
    )
    wordings = (*(reply.wording for reply in replies), *builder.texts.list_all())
    longest = max(len(wording.text) for wording in wordings)
    if longest > MAX_TEXT_LENGTH:
        raise ValueError(
            f"a reply that names all topics and municipalities would have {longest} characters, WhatsApp permits "
            f"{MAX_TEXT_LENGTH}: shorten titles, or leave some out"
        )


def join_words(words: Sequence[str]) -> str:
    """Return "A, B und C"."""
    return " und ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def format_day(moment: datetime) -> str:
    """Return the date as written in a letter: "3. März 2026"."""
    local = moment.astimezone(LOCAL_ZONE)
    return f"{local.day}. {_MONTHS[local.month - 1]} {local.year}"
