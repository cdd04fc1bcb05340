"""What one person is answered: a text, with buttons or a list under it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.subscriptions.domain import menus, questions
from services.subscriptions.domain.county import County
from services.subscriptions.domain.subscriber import Subscriber
from services.subscriptions.domain.wording import Wording, Wordings, ask_start, receipt, wordings
from shared.contracts.dispatch import ReplyButton, ReplyMenu

BERLIN = ZoneInfo("Europe/Berlin")
_MONTHS = ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
    "Dezember")  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """Either buttons or a menu. `asks` is what the text asks, as `questions` knows it."""

    wording: Wording
    buttons: tuple[ReplyButton, ...] = ()
    menu: ReplyMenu | None = None
    asks: str = ""

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
        wording = receipt(self.county, self.titles(subscriber.topics), self._only_where(subscriber))
        return Answer(wording, menu=self._topic_menu(subscriber))

    def already(self, subscriber: Subscriber, now: datetime) -> Answer:
        return self._say(f"{self._subscribed(subscriber, now)}\n\n{self._ways(subscriber)}")

    def topics(self, subscriber: Subscriber, now: datetime) -> Answer:
        numbers = "\n".join(f"{number} {topic.title}" for number, topic in enumerate(self.county.topics, 1))
        text = (
            f"{self._subscribed(subscriber, now)}\n\n{numbers}\n\n"
            "Tippen Sie unten auf Themen wählen, oder schreiben Sie die Nummern, zum Beispiel 1 3. "
            "Für alle Themen schreiben Sie: alle"
        )
        return Answer(self._wording(text), menu=self._topic_menu(subscriber))

    def topics_of_a_stranger(self) -> Answer:
        topics = self.titles(self.county.topic_ids)
        text = f"Sie sind nicht angemeldet. Der {self.county.name} informiert zu: {topics}.\n\nAnmelden: Start"
        return Answer(self._wording(text), buttons=(menus.START,))

    def chosen(self, subscriber: Subscriber, now: datetime) -> Answer:
        return self._say(f"{self._state(subscriber, now)}\n\n{self._ways(subscriber)}")

    def places(self, subscriber: Subscriber, now: datetime) -> Answer:
        example = self.county.municipalities[0] if self.county.municipalities else ""
        everywhere = f"Zu {join_words(self._local_titles())} erhalten Sie Meldungen für alle Gemeinden."
        text = (
            f"{self._only_where(subscriber) or everywhere}\n\n"
            f"Tippen Sie unten auf Gemeinde wählen, oder schreiben Sie zum Beispiel nur {example}. "
            "Für alle Orte schreiben Sie: alle Gemeinden"
        )
        return Answer(self._wording(text), menu=menus.place_menu(self.county), asks=questions.PLACES)

    def paused(self, until: datetime, note: str) -> Answer:
        text = (
            f"Pause bis einschließlich {day(until - timedelta(seconds=1))}. Danach erhalten Sie wieder Meldungen."
            f"{note and ' '}{note}\n\n"
            "Andere Dauer: zum Beispiel Pause 3 Wochen oder Pause bis 24.12.\n"
            "Früher fortsetzen: Weiter\nAbmelden: Stop"
        )
        return Answer(self._wording(text), buttons=(menus.RESUME, menus.WEEK, menus.MONTH))

    def resumed(self, subscriber: Subscriber, now: datetime) -> Answer:
        return self._say(f"Die Pause ist beendet. {self._state(subscriber, now)}\n\nAbmelden: Stop")

    def ask_start(self, topics: frozenset[str] = frozenset(), places: frozenset[str] = frozenset()) -> Answer:
        """Ask whether to subscribe, to what was chosen if anything was."""
        button = menus.start_with(topics, places)
        about = f" zu {join_words(self._titles(topics))}" if topics else ""
        where = f" für {join_words(sorted(places))}" if places else ""
        text = ask_start(self.county, about + where)
        return Answer(text, buttons=(button,), asks=button.id)

    def ask_stop(self) -> Answer:
        return Answer(self.texts.ask_stop, buttons=(menus.STOP,), asks=questions.STOP)

    def ask_both(self) -> Answer:
        return Answer(self.texts.ask_both, buttons=(menus.START, menus.STOP), asks=questions.BOTH)

    def ask_erase(self) -> Answer:
        return Answer(self.texts.ask_erase, asks=questions.ERASE)

    def ask_feedback(self) -> Answer:
        return Answer(self.texts.feedback_how, asks=questions.FEEDBACK)

    def titles(self, topics: Iterable[str]) -> str:
        return ", ".join(self._titles(topics))

    def said(self, text: str) -> Answer:
        """An answer that is put together elsewhere."""
        return self._say(text)

    def _titles(self, topics: Iterable[str]) -> list[str]:
        wanted = set(topics)
        return [topic.title for topic in self.county.topics if topic.id in wanted]

    def _local_titles(self) -> list[str]:
        return self._titles(self.county.local_topics)

    def _say(self, text: str) -> Answer:
        return Answer(self._wording(text))

    def _wording(self, text: str) -> Wording:
        return Wording(self.county.wording_version, text)

    def _topic_menu(self, subscriber: Subscriber) -> ReplyMenu:
        return menus.topic_menu(self.county, subscriber.topics)

    def _subscribed(self, subscriber: Subscriber, now: datetime) -> str:
        return f"Sie sind angemeldet. {self._state(subscriber, now)}"

    def _state(self, subscriber: Subscriber, now: datetime) -> str:
        parts = [f"Ihre Themen: {self.titles(subscriber.topics)}."]
        where = self._only_where(subscriber)
        if where:
            parts.append(where)
        if subscriber.paused_until and subscriber.pauses(now):
            parts.append(f"Pause bis einschließlich {day(subscriber.paused_until - timedelta(seconds=1))}.")
        return " ".join(parts)

    def _only_where(self, subscriber: Subscriber) -> str:
        """Empty if all places are wanted, or no topic depends on them."""
        local = self._titles(self.county.local_topics & subscriber.topics)
        if not (subscriber.places and local):
            return ""
        return f"Zu {join_words(local)} erhalten Sie nur Meldungen für {join_words(sorted(subscriber.places))}."

    def _ways(self, subscriber: Subscriber) -> str:
        places = "Orte ändern: Gemeinden\n" if self._only_where(subscriber) else ""
        return f"Themen ändern: Themen\n{places}Abmelden: Stop"


def join_words(words: Sequence[str]) -> str:
    """Return "A, B und C"."""
    return " und ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def day(moment: datetime) -> str:
    """As one writes it in a letter."""
    local = moment.astimezone(BERLIN)
    return f"{local.day}. {_MONTHS[local.month - 1]} {local.year}"
