"""The data protection officer's page and the answer to "Daten" agree with the code."""

import re

import pytest
from pydantic import ValidationError

from services.dispatcher.adapters import retention as dispatcher_retention
from services.dispatcher.adapters.recipients import ERASURE_DELAY_SECONDS
from services.dispatcher.settings import Settings
from services.feeds.state import RETENTION
from services.newsroom.adapters import retention as newsroom_retention
from services.subscriptions.adapters.retention import build_retention_rules
from services.subscriptions.domain.decision import MessageResult
from services.subscriptions.domain.privacy import DELIVERY_NOTES_RETENTION_DAYS
from services.subscriptions.domain.replies import ReplyContent
from shared.amqp.permissions import MUNICIPAL
from shared.amqp.topology import EVENTS, QUARANTINE_MAX_AGE, QUEUES, STREAMS, list_arguments
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.events import FeedbackReceived, SubscriptionChanged, SubscriptionEnded, SubscriptionStarted
from shared.contracts.retention import MAX_DELIVERY_RETENTION_DAYS
from tests.factories.citizens import (
    COUNTY,
    TEXTS,
    build_context,
    build_message,
    play_dialogue,
    understand_message,
)
from tests.privacy_page import HASHED, KINDS, NOBODY, PAGE, SAID, SEALED, STAFF, read_columns
from tests.unit.subscriptions.cases import read_cases
from tools.docs.generate import DOCS
from tools.docs.privacy_texts import STATES, SUBSCRIBED, build_subscriber

# Whole messages, whose addresses are encrypted.
ENCRYPTED_BODIES = {("subscriptions.inbox", "publications"), ("subscriptions.pending_page", "body")}
# Annex 1 has all columns that there are, as tests/integration/privacy compares it with a migrated database.
COLUMNS = read_columns()
TABLES = {table for table, _ in COLUMNS}
# About those who work in the press office, not about citizens.
ABOUT_STAFF = {table.partition(".")[2] for (table, _), column in COLUMNS.items() if column.kind == STAFF}
# By which words somebody who asks for their data hears of each; pages and erasures last for moments only.
TOLD = {
    "subscriber": "Anmeldung:",
    "subscription": "Themen:",
    "consent": "Nachweis der Einwilligung",
    "inbox": "Interne Nummern Ihrer letzten Nachrichten",
    "conversation": "Anzahl unserer Antworten",
    "feedback": "Rückmeldungen von Ihnen",
    "erasure": "Frühere Löschung",
    "dead_letter": "Nachrichten, die wir nicht verarbeiten konnten",
    "delivery": "Meldungen an Sie, mit",
    "reached": "Meldungen an Sie, mit",
    "refusal": "Meldungen, die nicht ankamen",
    "suppression": "Einträge zu Abmeldungen",
    "pending_page": "Adresse:",
}


def line(table: str) -> str:
    """The row of the page about a table of people; of several the first."""
    return next(row for row in PAGE.splitlines() if row.startswith("|") and f"{table}`" in row)


def test_every_table_with_a_column_about_citizens_is_told_of() -> None:
    about = {table.partition(".")[2] for (table, _), column in COLUMNS.items() if column.kind not in (STAFF, NOBODY)}
    reading = {"broadcast", "follow_up"}  # where they are while they read
    assert about == set(TOLD) | reading


def test_every_table_about_people_is_listed_on_the_page() -> None:
    for table in set(TOLD) | ABOUT_STAFF:
        assert line(table)


def test_no_table_that_is_gone_is_listed() -> None:
    queues = {name for queue in QUEUES for name in (queue.name, queue.quarantine)}
    listed = set(re.findall(r"`((?:subscriptions|dispatcher|newsroom)\.\w+)`", PAGE)) - queues
    assert listed <= TABLES


def test_whoever_asks_for_their_data_hears_of_every_table() -> None:
    answer = play_dialogue("Start", "nur Baustellen", "Daten")[1]
    # Of consents and erasures hears who has any.
    assert {table for table, words in TOLD.items() if words not in answer} == {"consent", "erasure"}


def test_what_citizens_are_told_of_periods_is_what_the_dispatcher_does() -> None:
    rules = dispatcher_retention.build_retention_rules(Settings.model_fields["retention_days"].default)
    assert rules["deliveries_week"].max_age.days == rules["stray_delivery"].max_age.days == MAX_DELIVERY_RETENTION_DAYS
    assert rules["suppression"].max_age.days == DELIVERY_NOTES_RETENTION_DAYS
    assert ERASURE_DELAY_SECONDS == 60
    assert "eine Minute" in line("dispatcher.erasure")


# By which table's row of the page the period of each kind is told.
PERIODS = {
    "inbox": "subscriptions.inbox",
    "personal_answer": "subscriptions.inbox",
    "conversation": "subscriptions.conversation",
    "notice_event": "subscriptions.notice_event",
    "feedback": "subscriptions.feedback",
    "erasure": "subscriptions.erasure",
    "dead_letter": "subscriptions.dead_letter",
    "former_subscriber": "subscriptions.subscriber",
    "trial": "subscriptions.trial",
    "consent": "subscriptions.consent",
    "waiting_delivery": "dispatcher.delivery",
    "deliveries_week": "dispatcher.delivery",
    "stray_delivery": "dispatcher.delivery",
    "reply_address": "dispatcher.delivery",
    "reached": "dispatcher.reached",
    "reached_minute": "dispatcher.reached_minute",
    "status_stream": "status_stream",
    "unreachable": "unreachable",
    "refusal": "dispatcher.refusal",
    "suppression": "dispatcher.suppression",
    "session": "newsroom.session",
    "device": "newsroom.device",
    "login_failure": "newsroom.login_failure",
    "newsroom_inbox": "newsroom.inbox",
    "newsroom_feedback": "newsroom.feedback",
}
RULES = {
    **build_retention_rules(COUNTY),
    **dispatcher_retention.build_retention_rules(MAX_DELIVERY_RETENTION_DAYS),
    **newsroom_retention.build_retention_rules(COUNTY.feedback_days),
}


@pytest.mark.parametrize("kind", sorted(RULES))
def test_the_period_of_everything_that_is_forgotten_is_on_the_page(kind: str) -> None:
    max_age = RULES[kind].max_age
    told = "1 Tag" if max_age.days == 1 and not max_age.seconds else f"{max_age.days} Tage"
    assert ("25 Stunden" if max_age.seconds else told) in line(PERIODS[kind])


@pytest.mark.parametrize(("days", "accepted"), [("20", False), ("21", True), ("90", True), ("91", False)])
def test_no_setting_keeps_deliveries_for_longer_than_citizens_are_told(days: str, accepted: bool) -> None:
    problems = []
    try:
        Settings.model_validate({"retention_days": days})
    except ValidationError as error:
        problems = [problem["loc"] for problem in error.errors() if problem["type"] != "missing"]
    assert problems == ([] if accepted else [("retention_days",)])
    assert f"höchstens {MAX_DELIVERY_RETENTION_DAYS} Tage" in play_dialogue("Start", "Daten")[1]
    assert f"höchstens {DELIVERY_NOTES_RETENTION_DAYS} Tage" in play_dialogue("Start", "Daten")[1]


def test_kinds_of_columns_fit_their_names() -> None:
    """What is encrypted or a keyed hash is called so; the words of a person are in two places only."""
    kinds = {name: column.kind for name, column in COLUMNS.items()}
    assert set(kinds.values()) == KINDS
    for (table, column), kind in kinds.items():
        assert (kind == SEALED) == (column.endswith("_sealed") or (table, column) in ENCRYPTED_BODIES), (table, column)
        hashed = column.endswith(("_index", "_key", "_keys")) or column in ("indexes", "senders", "author")
        hashed = hashed and not table.startswith("newsroom.")  # where an author is an account
        assert (kind == HASHED) == hashed, (table, column)
    assert {name for name, kind in kinds.items() if kind == SAID} == {
        ("subscriptions.feedback", "said"),
        ("dispatcher.delivery", "content"),
        ("newsroom.feedback", "text"),
    }


@pytest.mark.parametrize("who", STATES)
def test_every_answer_there_is_is_shown_on_the_page(who: str) -> None:
    """Whatever is said: how the answer ends does not depend on the person."""
    before, cases = build_subscriber(who), read_cases()
    one_of_each = {case.intent: case for case in cases}.values()
    missing = set()
    for case in cases if who == SUBSCRIBED else one_of_each:
        _, outcome = understand_message(before, build_message(case.text, seconds=60), build_context(seconds=61))
        if outcome.reply and outcome.result is not MessageResult.SHOWN and not _is_shown(outcome.reply):
            missing.add((case.intent, outcome.reply.text))
    assert missing == set()


def _is_shown(answer: ReplyContent) -> bool:
    _, _, last = answer.text.rpartition("\n\n")
    return f"\n{last}\n```" in PAGE


def test_the_page_tells_how_long_the_feeds_remember() -> None:
    (told,) = [row for row in PAGE.splitlines() if "`kreisfunk feeds`" in row and "gemeldet wurden" in row]
    assert f"{RETENTION.days} Tage" in told


def test_every_wording_is_shown_on_the_page() -> None:
    assert [wording.text for wording in TEXTS.list_all() if f"\n{wording.text}\n" not in PAGE] == []


def test_what_municipal_systems_may_hear_is_what_the_page_says() -> None:
    readable = [stream for stream in STREAMS if re.search(MUNICIPAL.read, stream.name)]
    assert [stream.keys for stream in readable] == [{EVENTS: ("notice.*", "broadcast.*")}]
    of_people = (SubscriptionStarted, SubscriptionChanged, SubscriptionEnded, FeedbackReceived)
    assert [kind.KEY for kind in of_people if kind.KEY.startswith(("notice.", "broadcast."))] == []
    assert not re.search(MUNICIPAL.read, EVENTS)
    assert "nur, was mit `notice.` oder `broadcast.` beginnt" in PAGE


ASSESSMENT = PAGE.partition("## Für die Datenschutz-Folgenabschätzung")[2].partition("\n## ")[0]


def test_periods_outside_the_database_are_those_of_the_deployment() -> None:
    compose = (DOCS.parent / "docker-compose.yml").read_text()
    assert "max-size: 10m" in compose
    assert 'max-file: "5"' in compose
    assert "5 Dateien von 10 MB" in ASSESSMENT
    (days,) = re.findall(r"retention\.time=(\d+)d", compose)
    assert f"| Messwerte (Prometheus) | Zahlen ohne Personenbezug | {days} Tage |" in ASSESSMENT
    assert f"{COUNTY.proof_days} Tage sind die drei Jahre" in ASSESSMENT


def test_what_was_not_understood_and_erasure_does_not_reach_ends_when_the_page_says() -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("|") and "`ingress.quarantine` |" in row]
    assert len(rows) == 2
    assert all(f"höchstens {QUARANTINE_MAX_AGE.days} Tage" in row for row in rows)
    assert f"Er endet nach {QUARANTINE_MAX_AGE.days} Tagen" in PAGE
    assert QUARANTINE_MAX_AGE.days == COUNTY.dead_letter_days


def test_dead_letters_that_may_quote_a_citizen_end_when_the_page_says() -> None:
    keys = {FeedbackReceived.KEY, ReplyRequested.KEY}
    quoting = {queue.dead_letter_queue for queue in QUEUES if keys & {*queue.keys}}
    assert quoting == {"newsroom.events.dead", "dispatch.reply.dead"}
    (row,) = [row for row in PAGE.splitlines() if row.startswith("| ") and all(f"`{name}`" in row for name in quoting)]
    assert f"höchstens {QUARANTINE_MAX_AGE.days} Tage" in row
    ends = {name: found.get("x-message-ttl") for name, found in list_arguments().items() if name in quoting}
    assert ends == dict.fromkeys(quoting, QUARANTINE_MAX_AGE.total_seconds() * 1000)


def test_every_part_of_an_impact_assessment_is_there() -> None:
    assert set(re.findall(r"^### (.+)$", ASSESSMENT, re.MULTILINE)) >= {
        "Verantwortliche und Beteiligte",
        "Rechtsgrundlagen",
        "Übermittlung in Drittländer",
        "Rechte, die kein Befehl im Chat abdeckt",
        "Minderjährige und besondere Angaben",
        "Fristen außerhalb der Datenbank",
        "Risiken und Maßnahmen",
        "Sicherheit und Verletzungen (Art. 32 bis 34)",
    }
