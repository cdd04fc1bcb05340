"""Every text that citizens are shown, as the code makes it with the configuration of the repository."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from services.subscriptions.domain.answers import Answer
from services.subscriptions.domain.consent import ConsentEvent, consent
from services.subscriptions.domain.feedback import Feedback, FeedbackKind
from services.subscriptions.domain.records import Stored, record
from services.subscriptions.domain.subscriber import Moment, Subscriber
from tests.unit.docs.tables import code
from tests.unit.subscriptions.material import ANSWERS, NOON, TEXTS, at, hear, message, situation

TEMPLATES = Path("deploy/config/templates.json")
STATES = {
    "der nicht angemeldet ist": (),
    "der angemeldet ist": ("Start",),
    "der eine Pause hat": ("Start", "nur Baustellen", "Pause 2 Wochen"),
}
STRANGER, SUBSCRIBED, PAUSED = STATES


class Shown(NamedTuple):
    """What somebody in this state writes, and why the page shows the answer."""

    title: str
    who: str
    said: str


PARTS: dict[str, Sequence[Shown]] = {
    "Anmeldung und Einwilligung": (
        Shown("Bestätigung der Anmeldung; sie ist der Wortlaut der Einwilligung", STRANGER, "Start"),
        Shown("Rückfrage, bevor jemand angemeldet wird", STRANGER, "Wie kann ich mich anmelden?"),
        Shown("Rückfrage, wenn jemand schon ausgewählt hat", STRANGER, "nur Baustellen in Worpswede"),
        Shown("Themen", STRANGER, "Themen"),
        Shown("Anmeldung, obwohl bereits angemeldet", SUBSCRIBED, "Start"),
        Shown("Auswahl der Themen", SUBSCRIBED, "Themen"),
        Shown("Geänderte Auswahl", SUBSCRIBED, "nur Baustellen"),
        Shown("Auswahl der Gemeinden", SUBSCRIBED, "Gemeinden"),
        Shown("Geänderte Gemeinden", SUBSCRIBED, "nur Worpswede"),
        Shown("Pause", SUBSCRIBED, "Pause 2 Wochen"),
        Shown("Pause, deren Dauer nicht erkannt wurde", SUBSCRIBED, "Pause bis zur Ernte"),
        Shown("Ende der Pause", PAUSED, "Weiter"),
    ),
    "Abmeldung": (
        Shown("Bestätigung der Abmeldung von allem", SUBSCRIBED, "Stop"),
        Shown("Abmeldung von einem Thema", SUBSCRIBED, "Stop Stellen"),
        Shown("Rückfrage, wenn jemand nur verärgert klingt", SUBSCRIBED, "Das nervt"),
        Shown("Rückfrage, wenn beides gemeint sein kann", SUBSCRIBED, "an- oder abmelden?"),
        Shown("Abmeldung von einem Thema ohne Anmeldung", STRANGER, "Stop Stellen"),
    ),
    "Löschung": (
        Shown("Bestätigung der Löschung", SUBSCRIBED, "Löschen"),
        Shown("Bestätigung der Löschung ohne Anmeldung", STRANGER, "Löschen"),
        Shown("Rückfrage, wenn eine Löschung gemeint sein kann", SUBSCRIBED, "Alles über mich soll verschwinden"),
    ),
    "Alles andere": (
        Shown("Grund und Datenschutz", STRANGER, "Warum"),
        Shown("Hilfe", STRANGER, "Hilfe"),
        Shown("Hinweis auf Telefon und Schalter, höchstens einmal in 24 Stunden", STRANGER, "Haben Sie heute offen?"),
        Shown("Notfall, jedes Mal", STRANGER, "Hilfe, Überfall in der Bahnhofstraße!"),
        Shown("Notfall, bei dem es um das Sterben geht", STRANGER, "Ich will nicht mehr leben"),
        Shown("„Feedback“ ohne Text", STRANGER, "Feedback"),
        Shown("Rückmeldung mit Text oder durch einen Knopf", STRANGER, "Feedback: Sehr nützlich"),
    ),
}  # fmt: skip


def texts_annex() -> str:
    """All of it, as Markdown."""
    parts = [_part(title, map(_shown, shown)) for title, shown in PARTS.items()]
    return "\n\n".join([*parts, _part("Auskunft", _records()), _part("Meldungen", _templates())])


def somebody(who: str) -> Subscriber | None:
    subscriber: Subscriber | None = None
    for number, text in enumerate(STATES[who], 1):
        subscriber, _ = hear(subscriber, message(text, seconds=number), situation(seconds=number + 1))
    return subscriber


def answer_to(who: str, text: str) -> Answer:
    _, outcome = hear(somebody(who), message(text, seconds=60), situation(seconds=61))
    assert outcome.reply is not None, text
    return outcome.reply


def example() -> Stored:
    """A person about whom everything is stored that can be."""
    subscriber = somebody(PAUSED)
    assert subscriber is not None
    subscriber = replace(subscriber, places=frozenset({"Worpswede"}), suspended=frozenset({"veranstaltungen"}))
    given = ((0, ConsentEvent.GIVEN, ANSWERS.county.topic_ids), (3_600, ConsentEvent.CHANGED, subscriber.topics))
    history = tuple(
        consent(subscriber, event, moment=Moment(at(seconds), at(seconds)), message_key=b"", topics=topics,
            wording=TEXTS.receipt)
        for seconds, event, topics in given
    )  # fmt: skip
    said = Feedback(id=UUID(int=1), kind=FeedbackKind.TEXT, at=NOON, author=b"", said="Sehr nützlich, danke!")
    rated = replace(said, kind=FeedbackKind.RATING, said="", value="good", topic="baustellen")
    conversation = replace(situation().conversation, hinted_at=NOON)
    return Stored(
        subscriber=subscriber,
        history=history,
        feedback=(said, rated),
        conversation=conversation,
        erased_at=NOON - timedelta(days=400),
    )


def _records() -> Iterator[str]:
    yield _block("Auskunft", "„Daten“ von jemandem, über den alles gespeichert ist", record(example(), ANSWERS, at(60)))
    yield _block("Auskunft", "„Daten“ von jemandem, der sich nie angemeldet hat", record(Stored(), ANSWERS, at(60)))


def _templates() -> Iterator[str]:
    """Templates that differ by nothing but a picture are shown together."""
    yield (
        "Die Vorlagen sind bei Meta hinterlegt; in geschweiften Klammern steht, was die Meldung einsetzt. Die Vorlagen"
        "\nmit `bild` im Namen zeigen über dem Text ein Bild."
    )
    named: dict[tuple[str, ...], list[str]] = {}
    for template in json.loads(TEMPLATES.read_text()):
        named.setdefault(_content(template), []).append(template["name"])
    for (text, *buttons), names in named.items():
        yield _quoted(code(names), "", text, [f"Knopf „{title}“" for title in buttons])


def _content(template: dict[str, Any]) -> tuple[str, ...]:
    """The text, then the titles of the buttons."""
    parts = {part["type"]: part for part in template["components"]}
    text = "\n\n".join(parts[kind]["text"] for kind in ("BODY", "FOOTER") if kind in parts)
    return text, *(button["text"] for button in parts.get("BUTTONS", {}).get("buttons", ()))


def _shown(shown: Shown) -> str:
    return _block(shown.title, f"„{shown.said}“ von jemandem, {shown.who}", answer_to(shown.who, shown.said))


def _part(title: str, blocks: Iterable[str]) -> str:
    return "\n\n".join([f"### {title}", *blocks])


def _block(title: str, example: str, answer: Answer) -> str:
    buttons = [f"Knopf „{button.title}“" for button in answer.buttons]
    menu = [f"Liste „{answer.menu.button}“"] if answer.menu else []
    return _quoted(title, example, answer.text, [*buttons, *menu])


def _quoted(title: str, example: str, text: str, below: Sequence[str]) -> str:
    after = f" {example}." if example else ""
    under = f" Darunter: {', '.join(below)}." if below else ""
    return f"**{title}.**{after}{under}\n\n```text\n{text}\n```"
