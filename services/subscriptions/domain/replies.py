"""Replies to one person: a text, with buttons or a list under it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.subscriptions.domain import menus, questions
from services.subscriptions.domain.county import County
from services.subscriptions.domain.subscriber import Subscriber
from services.subscriptions.domain.wording import (
    Wording,
    Wordings,
    build_receipt_wording,
    build_start_question,
    build_wordings,
)
from shared.contracts.dispatch import ReplyButton, ReplyMenu

BERLIN = ZoneInfo("Europe/Berlin")
TRIAL_HEADING = "Testnachricht der Redaktion, nicht veröffentlicht:"
_MONTHS = ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
    "Dezember")  # fmt: skip


@dataclass(frozen=True)
class ReplyContent:
    """Text with either buttons or a menu. `asks` is the question in it, as `questions` knows it."""

    wording: Wording
    buttons: tuple[ReplyButton, ...] = ()
    menu: ReplyMenu | None = None
    asks: str = ""

    @property
    def text(self) -> str:
        return self.wording.text


@dataclass(frozen=True)
class ReplyBuilder:
    """Builder of all replies of a county."""

    county: County

    @property
    def texts(self) -> Wordings:
        return build_wordings(self.county)

    def build_receipt(self, subscriber: Subscriber) -> ReplyContent:
        wording = build_receipt_wording(
            self.county, self.join_titles(subscriber.topics), self._describe_places(subscriber)
        )
        return ReplyContent(wording, menu=self._build_topic_menu(subscriber))

    def build_already_subscribed(self, subscriber: Subscriber, now: datetime) -> ReplyContent:
        return self._wrap_text(
            f"{self._describe_subscription(subscriber, now)}\n\n{self._describe_options(subscriber)}"
        )

    def build_topics(self, subscriber: Subscriber, now: datetime) -> ReplyContent:
        numbers = "\n".join(f"{number} {topic.title}" for number, topic in enumerate(self.county.topics, 1))
        text = (
            f"{self._describe_subscription(subscriber, now)}\n\n{numbers}\n\n"
            "Tippen Sie unten auf Themen wählen, oder schreiben Sie die Nummern, zum Beispiel 1 3. "
            "Für alle Themen schreiben Sie: alle"
        )
        return ReplyContent(self._build_wording(text), menu=self._build_topic_menu(subscriber))

    def build_topics_for_stranger(self) -> ReplyContent:
        topics = self.join_titles(self.county.topic_ids)
        text = f"Sie sind nicht angemeldet. Der {self.county.name} informiert zu: {topics}.\n\nAnmelden: Start"
        return ReplyContent(self._build_wording(text), buttons=(menus.START,))

    def build_choice(self, subscriber: Subscriber, now: datetime) -> ReplyContent:
        return self._wrap_text(f"{self._describe_state(subscriber, now)}\n\n{self._describe_options(subscriber)}")

    def build_places(self, subscriber: Subscriber, now: datetime) -> ReplyContent:
        example = self.county.municipalities[0] if self.county.municipalities else ""
        everywhere = f"Zu {join_words(self._list_local_titles())} erhalten Sie Meldungen für alle Gemeinden."
        text = (
            f"{self._describe_places(subscriber) or everywhere}\n\n"
            f"Tippen Sie unten auf Gemeinde wählen, oder schreiben Sie zum Beispiel nur {example}. "
            "Für alle Orte schreiben Sie: alle Gemeinden"
        )
        return ReplyContent(self._build_wording(text), menu=menus.build_place_menu(self.county), asks=questions.PLACES)

    def build_pause(self, until: datetime, note: str) -> ReplyContent:
        last_day = format_day(until - timedelta(seconds=1))
        text = (
            f"Pause bis einschließlich {last_day}. Danach erhalten Sie wieder Meldungen."
            f"{note and ' '}{note}\n\n"
            "Andere Dauer: zum Beispiel Pause 3 Wochen oder Pause bis 24.12.\n"
            "Früher fortsetzen: Weiter\nAbmelden: Stop"
        )
        return ReplyContent(self._build_wording(text), buttons=(menus.RESUME, menus.WEEK, menus.MONTH))

    def build_resume(self, subscriber: Subscriber, now: datetime) -> ReplyContent:
        return self._wrap_text(f"Die Pause ist beendet. {self._describe_state(subscriber, now)}\n\nAbmelden: Stop")

    def ask_start(self, topics: frozenset[str] = frozenset(), places: frozenset[str] = frozenset()) -> ReplyContent:
        """Ask whether to subscribe, to the chosen topics and places if there are any."""
        button = menus.build_start_button(topics, places)
        about = f" zu {join_words(self._list_titles(topics))}" if topics else ""
        where = f" für {join_words(sorted(places))}" if places else ""
        text = build_start_question(self.county, about + where)
        return ReplyContent(text, buttons=(button,), asks=button.id)

    def ask_stop(self) -> ReplyContent:
        return ReplyContent(self.texts.ask_stop, buttons=(menus.STOP,), asks=questions.STOP)

    def ask_both(self) -> ReplyContent:
        return ReplyContent(self.texts.ask_both, buttons=(menus.START, menus.STOP), asks=questions.BOTH)

    def ask_erase(self) -> ReplyContent:
        return ReplyContent(self.texts.ask_erase, asks=questions.ERASE)

    def ask_feedback(self) -> ReplyContent:
        return ReplyContent(self.texts.feedback_how, asks=questions.FEEDBACK)

    def build_trial(self, text: str) -> ReplyContent:
        """Return a text of the newsroom's, marked as what it is; without one, that the code is good for none."""
        return self._wrap_text(f"{TRIAL_HEADING}\n\n{text}") if text else ReplyContent(self.texts.trial_over)

    def join_titles(self, topics: Iterable[str]) -> str:
        return ", ".join(self._list_titles(topics))

    def build_text(self, text: str) -> ReplyContent:
        """Return a reply with a text that is composed elsewhere."""
        return self._wrap_text(text)

    def _list_titles(self, topics: Iterable[str]) -> list[str]:
        wanted = set(topics)
        return [topic.title for topic in self.county.topics if topic.id in wanted]

    def _list_local_titles(self) -> list[str]:
        return self._list_titles(self.county.local_topics)

    def _wrap_text(self, text: str) -> ReplyContent:
        return ReplyContent(self._build_wording(text))

    def _build_wording(self, text: str) -> Wording:
        return Wording(self.county.wording_version, text)

    def _build_topic_menu(self, subscriber: Subscriber) -> ReplyMenu:
        return menus.build_topic_menu(self.county, subscriber.topics)

    def _describe_subscription(self, subscriber: Subscriber, now: datetime) -> str:
        return f"Sie sind angemeldet. {self._describe_state(subscriber, now)}"

    def _describe_state(self, subscriber: Subscriber, now: datetime) -> str:
        parts = [f"Ihre Themen: {self.join_titles(subscriber.topics)}."]
        where = self._describe_places(subscriber)
        if where:
            parts.append(where)
        if subscriber.paused_until and subscriber.is_paused(now):
            parts.append(f"Pause bis einschließlich {format_day(subscriber.paused_until - timedelta(seconds=1))}.")
        return " ".join(parts)

    def _describe_places(self, subscriber: Subscriber) -> str:
        """Describe the chosen places; empty if all places are wanted, or no topic depends on them."""
        local = self._list_titles(self.county.local_topics & subscriber.topics)
        if not (subscriber.places and local):
            return ""
        return f"Zu {join_words(local)} erhalten Sie nur Meldungen für {join_words(sorted(subscriber.places))}."

    def _describe_options(self, subscriber: Subscriber) -> str:
        places = "Orte ändern: Gemeinden\n" if self._describe_places(subscriber) else ""
        return f"Themen ändern: Themen\n{places}Abmelden: Stop"


def join_words(words: Sequence[str]) -> str:
    """Return "A, B und C"."""
    return " und ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def format_day(moment: datetime) -> str:
    """Return the date as written in a letter: "3. März 2026"."""
    local = moment.astimezone(BERLIN)
    return f"{local.day}. {_MONTHS[local.month - 1]} {local.year}"
