"""Annex of all texts for citizens, built by the code with the configuration of the repository."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from services.subscriptions.domain.consent import ConsentEvent, build_consent
from services.subscriptions.domain.conversation import Conversation
from services.subscriptions.domain.feedback import Feedback, FeedbackKind
from services.subscriptions.domain.privacy import NOTHING_STORED, StoredState, build_access_report
from services.subscriptions.domain.replies import ReplyContent
from services.subscriptions.domain.subscriber import MessageTime, Subscriber
from tests.factories.citizens import (
    ANSWERS,
    COUNTY,
    NOON,
    TEXTS,
    build_context,
    build_message,
    build_time,
    understand_message,
)
from tools.docs.tables import format_code

TEMPLATES = Path("deploy/config/templates.json")
STATES = {
    "nicht angemeldet": (),
    "angemeldet": ("Start",),
    "in einer Pause": ("Start", "nur Baustellen", "Pause 2 Wochen"),
}
STRANGER, SUBSCRIBED, PAUSED = STATES


class Sample(NamedTuple):
    """Example message from a citizen in `state`; `title` describes the answer."""

    title: str
    state: str
    text: str


PARTS: dict[str, Sequence[Sample]] = {
    "Anmeldung und Einwilligung": (
        Sample("Bestätigung der Anmeldung; sie ist der Wortlaut der Einwilligung", STRANGER, "Start"),
        Sample("Rückfrage, bevor jemand angemeldet wird", STRANGER, "Wie kann ich mich anmelden?"),
        Sample("Rückfrage, wenn jemand schon ausgewählt hat", STRANGER, "nur Baustellen in Worpswede"),
        Sample("Themen", STRANGER, "Themen"),
        Sample("Anmeldung, obwohl bereits angemeldet", SUBSCRIBED, "Start"),
        Sample("Auswahl der Themen", SUBSCRIBED, "Themen"),
        Sample("Geänderte Auswahl", SUBSCRIBED, "nur Baustellen"),
        Sample("Auswahl der Gemeinden", SUBSCRIBED, "Gemeinden"),
        Sample("Geänderte Gemeinden", SUBSCRIBED, "nur Worpswede"),
        Sample("Pause", SUBSCRIBED, "Pause 2 Wochen"),
        Sample("Pause, deren Dauer nicht erkannt wurde", SUBSCRIBED, "Pause bis zur Ernte"),
        Sample("Ende der Pause", PAUSED, "Weiter"),
    ),
    "Abmeldung": (
        Sample("Bestätigung der Abmeldung von allem", SUBSCRIBED, "Stop"),
        Sample("Abmeldung von einem Thema", SUBSCRIBED, "Stop Stellen"),
        Sample("Rückfrage, wenn jemand nur verärgert klingt", SUBSCRIBED, "Das nervt"),
        Sample("Rückfrage, wenn beides gemeint sein kann", SUBSCRIBED, "an- oder abmelden?"),
        Sample("Abmeldung von einem Thema ohne Anmeldung", STRANGER, "Stop Stellen"),
    ),
    "Löschung": (
        Sample("Bestätigung der Löschung", SUBSCRIBED, "Löschen"),
        Sample("Bestätigung der Löschung ohne Anmeldung", STRANGER, "Löschen"),
        Sample("Rückfrage, wenn eine Löschung gemeint sein kann", SUBSCRIBED, "Alles über mich soll verschwinden"),
    ),
    "Alles andere": (
        Sample("Grund und Datenschutz", STRANGER, "Warum"),
        Sample("Hilfe", STRANGER, "Hilfe"),
        Sample("Hinweis auf Telefon und Schalter, höchstens einmal in 24 Stunden", STRANGER, "Haben Sie heute offen?"),
        Sample("Notfall, auch wenn sonst keine Antwort mehr kommt", STRANGER, "Hilfe, Überfall in der Bahnhofstraße!"),
        Sample("Notfall, bei dem es um das Sterben geht", STRANGER, "Ich will nicht mehr leben"),
        Sample("„Feedback“ ohne Text", STRANGER, "Feedback"),
        Sample("Rückmeldung mit Text oder durch einen Knopf", STRANGER, "Feedback: Sehr nützlich"),
        Sample("Code der Redaktion, der nicht gilt; sonst kommt der Text ihres Entwurfs", STRANGER, "Test 1234 5678"),
    ),
}  # fmt: skip


def render_texts_annex() -> str:
    parts = [_render_part(title, map(_render_example, examples)) for title, examples in PARTS.items()]
    return "\n\n".join(
        [
            f"Fassung des Wortlauts: `{COUNTY.wording_version}`.",
            *parts,
            _render_part("Auskunft", _render_records()),
            _render_part("Meldungen", _render_templates()),
        ]
    )


def build_subscriber(state: str) -> Subscriber | None:
    subscriber: Subscriber | None = None
    for number, text in enumerate(STATES[state], 1):
        subscriber, _ = understand_message(
            subscriber, build_message(text, seconds=number), build_context(seconds=number + 1)
        )
    return subscriber


def answer_to(state: str, text: str) -> ReplyContent:
    _, outcome = understand_message(build_subscriber(state), build_message(text, seconds=60), build_context(seconds=61))
    assert outcome.reply is not None, text
    return outcome.reply


def build_example() -> tuple[Subscriber, StoredState]:
    """Return an example person with every kind of data that can be stored."""
    subscriber = build_subscriber(PAUSED)
    assert subscriber is not None
    subscriber = replace(subscriber, places=frozenset({"Worpswede"}), suspended=frozenset({"veranstaltungen"}))
    events = ((0, ConsentEvent.GIVEN, ANSWERS.county.topic_ids), (3_600, ConsentEvent.CHANGED, subscriber.topics))
    history = tuple(
        build_consent(
            subscriber,
            event,
            moment=MessageTime(build_time(seconds), build_time(seconds)),
            message_key=b"",
            topics=topics,
            wording=TEXTS.receipt,
        )
        for seconds, event, topics in events
    )
    comment = Feedback(id=UUID(int=1), kind=FeedbackKind.TEXT, at=NOON, author=b"", text="Sehr nützlich, danke!")
    rating = replace(comment, kind=FeedbackKind.RATING, text="", value="good", topic="baustellen")
    erased_at = NOON - timedelta(days=400)
    return subscriber, StoredState(
        history=history,
        feedback=(comment, rating),
        conversation=Conversation(hinted_at=NOON),
        last_erasure=MessageTime(erased_at, erased_at),
    )


def _render_records() -> Iterator[str]:
    yield _render_block(
        "Auskunft",
        "„Daten“ von jemandem, über den alles gespeichert ist",
        build_access_report(*build_example(), ANSWERS, build_time(60)),
    )
    yield _render_block(
        "Auskunft",
        "„Daten“ von jemandem, der sich nie angemeldet hat",
        build_access_report(None, NOTHING_STORED, ANSWERS, build_time(60)),
    )


def _render_templates() -> Iterator[str]:
    """Yield the beginning of each template, then what follows in all of them."""
    yield (
        "Die Vorlagen sind bei Meta hinterlegt; in doppelten geschweiften Klammern steht, was die Meldung einsetzt;"
        "\n`{Thema}` steht für das Thema der Vorlage. Die mit `bild` im Namen zeigen über dem Text ein Bild."
    )
    names_by_content: dict[tuple[str, ...], list[str]] = {}
    for template in json.loads(TEMPLATES.read_text()):
        names_by_content.setdefault(_read_content(template), []).append(template["name"])
    names_by_rest: dict[tuple[str, ...], list[str]] = {}
    for (text, *buttons), names in names_by_content.items():
        beginning, _, rest = text.partition("\n\n")
        for topic in COUNTY.topics:
            rest = rest.replace(f"das Thema {topic.title} ", "das Thema {Thema} ")
        names_by_rest.setdefault((rest, *buttons), []).append(f"- {format_code(names)}: „{beginning}“")
    for (rest, *buttons), beginnings in names_by_rest.items():
        yield "\n".join(beginnings)
        yield _quote_text("Danach", "", rest, [f"Knopf „{title}“" for title in buttons])


def _read_content(template: dict[str, Any]) -> tuple[str, ...]:
    parts = {part["type"]: part for part in template["components"]}
    text = "\n\n".join(parts[kind]["text"] for kind in ("BODY", "FOOTER") if kind in parts)
    return text, *(button["text"] for button in parts.get("BUTTONS", {}).get("buttons", ()))


def _render_example(example: Sample) -> str:
    return _render_block(example.title, f"„{example.text}“, {example.state}", answer_to(example.state, example.text))


def _render_part(title: str, blocks: Iterable[str]) -> str:
    return "\n\n".join([f"### {title}", *blocks])


def _render_block(title: str, example: str, answer: ReplyContent) -> str:
    buttons = [f"Knopf „{button.title}“" for button in answer.buttons]
    menu = [f"Liste „{answer.menu.button}“"] if answer.menu else []
    return _quote_text(title, example, answer.text, [*buttons, *menu])


def _quote_text(title: str, example: str, text: str, below: Sequence[str]) -> str:
    source = f" {example}." if example else ""
    extras = f" Darunter: {', '.join(below)}." if below else ""
    return f"**{title}.**{source}{extras}\n\n```text\n{text}\n```"
