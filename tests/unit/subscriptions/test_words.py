import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.subscriptions.domain.words import LONGEST, Intent, intent_of, understand, words_of
from tests.unit.subscriptions.material import message

STARTS = """
Start
start
START
 Start.
„Start“
'start'
Start!!! 🎉
Start bitte
Bitte Start
Hallo, Start bitte
Start Start
ｓｔａｒｔ
Anmelden
Anmeldung
Abo
abonnieren
Starten
S t a r t
""".strip().splitlines()

STOPS = """
Stop
stop
STOP!!
Stopp
„Stopp.“
Stop bitte
Bitte stop
Stop Nachricht
Stop alles
STOOOP
s t o p
S.T.O.P.
ＳＴＯＰ
🛑
Start stop
Stop!!!! Ich will keine Nachrichten mehr von euch bekommen
Ich habe doch schon dreimal gesagt: stopp
Abmelden
Bitte abmelden
Ich möchte mich abmelden
Bitte melden Sie mich ab: abmelden
Abmeldung
Abbestellen
Abo beenden
Abo kündigen
Abo kuendigen
Kündigung
Austragen
Bitte austragen, danke
Bitte aus dem Verteiler nehmen
unsubscribe
Ende
Ende.
Schluss
Löschen
Bitte löschen Sie meine Daten
Keine Nachrichten mehr bitte
Ich möchte keine Meldungen mehr von Ihnen erhalten
Nicht mehr senden
Kein Interesse
Bitte stoppen Sie das
""".strip().splitlines()

OTHERS = """
Hallo
Guten Tag
Danke
👍
Strat
Stpo
starte das Auto
Wie kann ich starten?
Ich möchte starten
anmelden oder abmelden?
Wo kann ich mein Kind anmelden?
Auto anmelden
Auto abmelden
Wo kann ich mein Auto abmelden?
Hund abmelden
Gewerbe abmelden
Bitte nicht abmelden
Bitte nicht stoppen
Wann ist die Sperrung zu Ende?
Ende der Baustelle?
Wann ist die Baustelle fertig
Abofalle
Nonstop
Ist das Amt heute offen?
04791 9300
""".strip().splitlines()


@pytest.mark.parametrize("text", STARTS)
def test_this_joins(text: str) -> None:
    assert intent_of(text) is Intent.START


@pytest.mark.parametrize("text", [*STOPS, "st\u200bop", "Sto\u0336p", "Ku\u0308ndigung", "Stop\n\nbitte"])
def test_this_leaves(text: str) -> None:
    assert intent_of(text) is Intent.STOP


@pytest.mark.parametrize("text", [*OTHERS, "", " ", "\u200b", "Start " * LONGEST])
def test_this_is_something_else(text: str) -> None:
    assert intent_of(text) is Intent.OTHER


@pytest.mark.parametrize(
    ("payload", "label", "intent"),
    [
        ("stop", "Stop", Intent.STOP),
        ("stop", "Abbruch", Intent.STOP),
        ("start", "Ja", Intent.START),
        ("topic:roads", "Stop", Intent.STOP),
        ("topic:roads", "Sperrungen", Intent.OTHER),
        (None, "Stop", Intent.STOP),
    ],
)
def test_a_button_means_its_payload_before_its_label(payload: str | None, label: str, intent: Intent) -> None:
    assert understand(message(label, kind="button", payload=payload)) is intent


@pytest.mark.parametrize("kind", ["reaction", "system", "unsupported", "unknown", "edit", "revoke", "hologram"])
def test_what_nobody_wrote_to_us_means_nothing(kind: str) -> None:
    assert understand(message("Start", kind=kind)) is Intent.NOTHING


@pytest.mark.parametrize("kind", ["image", "audio", "location", "contacts", "sticker", "document"])
def test_what_is_no_text_is_something_else(kind: str) -> None:
    assert understand(message(None, kind=kind)) is Intent.OTHER


@given(st.text(max_size=400))
def test_any_text_means_something(text: str) -> None:
    assert intent_of(text) in (Intent.START, Intent.STOP, Intent.OTHER)


@given(st.text(max_size=60) | st.lists(st.sampled_from([*STARTS, *STOPS, *OTHERS]), max_size=3).map(" ".join))
def test_only_a_start_word_alone_ever_joins(text: str) -> None:
    allowed = {"start", "starten", "anmelden", "anmeldung", "abo", "abonnieren", "abonnement"}
    polite = {"bitte", "danke", "hallo", "moin", "guten", "tag"}
    joined = intent_of(text) is Intent.START
    assert not joined or len(set(words_of(text)) - polite) == 1
    assert not joined or set(words_of(text)) - polite <= allowed


@given(st.sampled_from(STOPS), st.text("!?. \n🎉„“\u200b", max_size=8), st.booleans())
def test_case_and_punctuation_do_not_keep_anybody_in(text: str, around: str, upper: bool) -> None:
    assert intent_of(around + (text.upper() if upper else text) + around) is Intent.STOP
