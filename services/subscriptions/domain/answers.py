"""What one person is answered: a text, with buttons or a list under it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.subscriptions.domain import menus
from services.subscriptions.domain.county import County
from services.subscriptions.domain.subscriber import Subscriber
from services.subscriptions.domain.wording import Wording, Wordings, receipt, wordings
from shared.contracts.dispatch import ReplyButton, ReplyMenu

BERLIN = ZoneInfo("Europe/Berlin")
_MONTHS = ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
    "Dezember")  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """Either buttons or a menu."""

    wording: Wording
    buttons: tuple[ReplyButton, ...] = ()
    menu: ReplyMenu | None = None

    @property
    def text(self) -> str:
        return self.wording.text


@dataclass(frozen=True)
class Answers:
    """All answers of a county."""

    county: County

    @property
    def texts(self) -> Wordings:
        return wordings(self.county)

    def receipt(self, subscriber: Subscriber) -> Answer:
        return Answer(receipt(self.county, self.titles(subscriber.topics)), menu=self._topic_menu(subscriber))

    def already(self, subscriber: Subscriber, now: datetime) -> Answer:
        return self._say(f"Sie sind angemeldet. {self._state(subscriber, now)}\n\nÄndern: Themen\nAbmelden: Stop")

    def topics(self, subscriber: Subscriber, now: datetime) -> Answer:
        numbers = "\n".join(f"{number} {topic.title}" for number, topic in enumerate(self.county.topics, 1))
        text = (
            f"{self._state(subscriber, now)}\n\n{numbers}\n\n"
            "Wählen Sie unten, oder schreiben Sie die Nummern, zum Beispiel 1 3. Alle Themen: alle"
        )
        return Answer(self._wording(text), menu=self._topic_menu(subscriber))

    def topics_of_a_stranger(self) -> Answer:
        topics = self.titles(self.county.topic_ids)
        text = f"Sie sind nicht angemeldet. Der {self.county.name} informiert zu: {topics}.\n\nAnmelden: Start"
        return Answer(self._wording(text), buttons=(menus.START,))

    def chosen(self, subscriber: Subscriber, now: datetime) -> Answer:
        return self._say(f"{self._state(subscriber, now)}\n\nÄndern: Themen\nAbmelden: Stop")

    def places(self, subscriber: Subscriber, now: datetime) -> Answer:
        text = f"Meldungen zu {self.titles(self.county.local_topics)}: {self._where(subscriber)}.\n\nWählen Sie unten, "
        example = self.county.municipalities[0] if self.county.municipalities else ""
        return Answer(
            self._wording(f"{text}oder schreiben Sie zum Beispiel nur {example}. Alle: alle Gemeinden"),
            menu=menus.place_menu(self.county),
        )

    def paused(self, subscriber: Subscriber, until: datetime) -> Answer:
        text = (
            f"Pause bis einschließlich {day(until - timedelta(seconds=1))}. Danach erhalten Sie wieder Meldungen.\n\n"
            "Früher fortsetzen: Weiter\nAbmelden: Stop"
        )
        return Answer(self._wording(text), buttons=(menus.RESUME, menus.WEEK, menus.MONTH))

    def resumed(self, subscriber: Subscriber, now: datetime) -> Answer:
        return self._say(f"Die Pause ist beendet. {self._state(subscriber, now)}\n\nAbmelden: Stop")

    def ask_start(self, topics: frozenset[str] = frozenset()) -> Answer:
        return Answer(self.texts.ask_start, buttons=(menus.start_with(topics),))

    def ask_stop(self) -> Answer:
        return Answer(self.texts.ask_stop, buttons=(menus.STOP,))

    def ask_both(self) -> Answer:
        return Answer(self.texts.ask_both, buttons=(menus.START, menus.STOP))

    def titles(self, topics: Iterable[str]) -> str:
        wanted = set(topics)
        return ", ".join(topic.title for topic in self.county.topics if topic.id in wanted)

    def said(self, text: str) -> Answer:
        """An answer that is put together elsewhere."""
        return self._say(text)

    def _say(self, text: str) -> Answer:
        return Answer(self._wording(text))

    def _wording(self, text: str) -> Wording:
        return Wording(self.county.wording_version, text)

    def _topic_menu(self, subscriber: Subscriber) -> ReplyMenu:
        return menus.topic_menu(self.county, subscriber.topics)

    def _state(self, subscriber: Subscriber, now: datetime) -> str:
        parts = [f"Ihre Themen: {self.titles(subscriber.topics)}."]
        local = self.titles(self.county.local_topics & subscriber.topics)
        if subscriber.places and local:
            parts.append(f"{local} nur für {self._where(subscriber)}.")
        if subscriber.paused_until and subscriber.pauses(now):
            parts.append(f"Pause bis einschließlich {day(subscriber.paused_until - timedelta(seconds=1))}.")
        return " ".join(parts)

    def _where(self, subscriber: Subscriber) -> str:
        return ", ".join(sorted(subscriber.places)) if subscriber.places else "alle Gemeinden"


def day(moment: datetime) -> str:
    """As one writes it in a letter."""
    local = moment.astimezone(BERLIN)
    return f"{local.day}. {_MONTHS[local.month - 1]} {local.year}"
