"""Effect of the examples, the committed model, and predictions that must never be."""

import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dialogue.scoring import score
from services.subscriptions.domain.intents.classifier import (
    Example,
    IntentClassifier,
    LinearModel,
    Prediction,
    extract_features,
    load_classifier,
    parse_examples,
    read_examples,
    read_model,
)
from services.subscriptions.domain.intents.detection import detect_text_intent, resolve_intent
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.rules import Findings, apply_rules
from services.subscriptions.domain.intents.text import CitizenText, normalize_excerpt
from tests.factories.citizens import COUNTY
from tools.intents import FILE, build_digest, list_features, render, train

EXAMPLES = read_examples()
UNSEEN = tuple(
    example
    for file in sorted((Path(__file__).parents[2] / "data" / "dialogue" / "unseen").glob("*.txt"))
    for example in parse_examples(file.read_text(encoding="utf-8"))
)
# What only a tap, a code, a question of ours or a doubt makes of a message.
NOT_WRITTEN = {Intent.RATING, Intent.REACTION, Intent.DECLINE, Intent.ASK_ERASE, Intent.TRIAL}


def resolve(by_rules: Intent, prediction: Prediction, text: str) -> Intent:
    """Return what comes of this, if the rules find one intent and the classifier predicts others."""
    return resolve_intent(ParsedIntent(intent=by_rules), prediction, Findings(CitizenText(text)), COUNTY).intent


def test_every_intent_that_can_be_written_has_examples() -> None:
    counted = Counter(example.intents[0] for example in EXAMPLES)
    assert set(counted) == set(Intent) - NOT_WRITTEN
    assert min(counted.values()) >= 20
    assert len(EXAMPLES) >= 5_000


def test_no_example_is_there_twice_and_none_tells_of_a_person() -> None:
    texts = [example.text.casefold() for example in EXAMPLES]
    assert len(set(texts)) == len(texts)
    assert not [text for text in texts if re.search(r"\d{9}|\w@\w+\.|\bde\d{2} ?\d", text)]


def test_a_heading_says_what_the_lines_below_it_mean() -> None:
    text = "[stop ask_stop]\nWeg damit\n\n[start]\n  Her damit \n"
    assert list(parse_examples(text)) == [
        Example("Weg damit", (Intent.STOP, Intent.ASK_STOP)),
        Example("Her damit", (Intent.START,)),
    ]
    with pytest.raises(ValueError, match="vielleicht"):
        list(parse_examples("[vielleicht]\nMal sehen"))


@given(st.text(max_size=200))
def test_chances_are_chances(text: str) -> None:
    prediction = load_classifier(COUNTY).predict(CitizenText(text))
    assert prediction.sum_probability(*Intent) == pytest.approx(1)
    assert prediction.probability == max(prediction.sum_probability(intent) for intent in Intent)


@given(st.sampled_from(EXAMPLES), st.sampled_from(EXAMPLES))
def test_no_prediction_subscribes_or_erases_anybody(first: Example, second: Example) -> None:
    for text in (first.text, f"{first.text} {second.text}"):
        said = CitizenText(text)
        prediction = load_classifier(COUNTY).predict(said)
        by_rules, found = apply_rules(Findings(said), COUNTY).intent, detect_text_intent(said, COUNTY).intent
        assert resolve(Intent.OTHER, prediction, text) not in (Intent.START, Intent.ERASE)
        assert found is not Intent.ERASE or by_rules is Intent.ERASE
        assert (found is Intent.START) == (by_rules is Intent.START)


def test_other_counties_have_the_same_model_with_their_own_names() -> None:
    """The words of topics and places are only a sort to the classifier."""
    for place in ("Worpswede", "Neu Sankt Jürgen"):
        text = CitizenText(f"bitte nur noch was {place} betrifft")
        assert load_classifier(COUNTY).predict(text).intent in (Intent.PLACES, Intent.ONLY)


def test_texts_that_were_never_examples_are_understood() -> None:
    """Nobody is subscribed by mistake, and the share may only rise: what it was when the lists were written."""
    verdicts = score(UNSEEN, lambda text: detect_text_intent(CitizenText(text), COUNTY).intent)
    assert verdicts.texts >= 200
    assert verdicts.false_opt_ins == verdicts.false_erasures == verdicts.missed_stops == 0
    assert verdicts.right / verdicts.texts >= 0.985


def test_nobody_is_left_without_an_answer_on_a_mere_suspicion() -> None:
    """Only who is surely a machine; and a Stop is a Stop beside a machine's words."""
    text = "Stop. Ich bin gerade am Steuer und das piept dauernd"
    suspicion = Prediction({Intent.NOTHING: 0.8, Intent.STOP: 0.2})
    assert resolve(Intent.STOP, suspicion, text) is Intent.STOP
    assert resolve(Intent.OTHER, suspicion, text) is Intent.ASK_STOP


@pytest.mark.parametrize(
    ("probability", "intent"),
    [(0.65, Intent.ASK_STOP), (0.69, Intent.ASK_STOP), (0.71, Intent.STOP), (0.75, Intent.STOP)],
)
def test_a_prediction_that_somebody_leaves_ends_nothing_below_its_bound(probability: float, intent: Intent) -> None:
    text, prediction = "Das nervt nur noch gewaltig", Prediction({Intent.STOP: probability, Intent.OTHER: 0.2})
    assert Findings(CitizenText(text)).stop.has_hint
    assert resolve(Intent.OTHER, prediction, text) is intent


@pytest.mark.parametrize(("probability", "intent"), [(0.85, Intent.ASK_STOP), (0.95, Intent.STOP)])
def test_a_prediction_without_a_word_of_leaving_ends_nothing_below_a_higher_bound(
    probability: float, intent: Intent
) -> None:
    text, prediction = "Ich habe die Nase voll davon", Prediction({Intent.STOP: probability, Intent.OTHER: 0.05})
    assert not Findings(CitizenText(text)).stop.has_hint
    assert resolve(Intent.OTHER, prediction, text) is intent


def test_no_prediction_makes_a_request_for_access_an_erasure() -> None:
    prediction = Prediction({Intent.ERASE: 0.99, Intent.DATA: 0.01})
    text = "Alles von mir bitte einmal"
    assert resolve(Intent.OTHER, prediction, text) is Intent.ASK_ERASE


def test_no_prediction_that_somebody_joins_overrules_a_word_of_leaving() -> None:
    prediction = Prediction({Intent.START: 0.95, Intent.STOP: 0.05})
    for text in ("Hiermit möchte ich Ihren Nachrichtendienst abbestellen", "Guten Tag, ich kündige Ihren Newsletter"):
        assert resolve(Intent.STOP, prediction, text) is Intent.STOP
    back = "Ich hatte mich abgemeldet, bitte wieder aufnehmen"
    assert resolve(Intent.STOP, prediction, back) is Intent.ASK_START


def test_a_letter_says_the_same_without_its_greeting_and_its_name() -> None:
    letter = "Sehr geehrte Damen und Herren, schicken Sie mir Ihr Blatt. Mit freundlichen Grüßen Ilse Kück"
    assert extract_features(normalize_excerpt(letter), str) == extract_features(
        normalize_excerpt("schicken Sie mir Ihr Blatt"), str
    )
    assert extract_features(normalize_excerpt("Guten Tag Mit freundlichen Grüßen guten Abend danke bitte"), str)


def test_words_belong_together_over_others() -> None:
    assert "melden .. ab" in extract_features(normalize_excerpt("Melden Sie mich ab"), str)
    assert "melden .. ab" not in extract_features(normalize_excerpt("Melden Sie mich doch bitte heute noch ab"), str)


FEW = (
    Example("Der Mond ist aufgegangen", (Intent.HELP,)),
    Example("Der Mond scheint hell", (Intent.HELP,)),
    Example("Die Sonne geht unter", (Intent.DATA, Intent.ERASE)),
    Example("Die Sonne geht auf", (Intent.DATA,)),
    Example("Es regnet in Strömen", (Intent.PAUSE,)),
    Example("Es regnet nicht mehr", (Intent.PAUSE,)),
)


def test_the_model_is_that_of_the_examples() -> None:
    examples, model = read_examples(), read_model()
    assert model.digest == build_digest(examples, list_features(examples, COUNTY)), "run `python -m tools.intents`"
    assert FILE.read_text() == render(model)


def test_a_text_means_what_like_texts_mean() -> None:
    few = IntentClassifier(train(FEW, COUNTY), COUNTY)
    assert few.predict(CitizenText("Mond?")).intent is Intent.HELP
    assert few.predict(CitizenText("die Sonne")).intent is Intent.DATA
    assert few.predict(CitizenText("die Sonne")).sum_probability(
        Intent.DATA, Intent.HELP, Intent.PAUSE
    ) == pytest.approx(1)


def test_whoever_adds_examples_has_taught_them() -> None:
    more = [Example(f"Krokodile tanzen {dance}", (Intent.PAUSE,)) for dance in ("Walzer", "Tango")]
    text = CitizenText("Die Krokodile tanzen")
    assert IntentClassifier(train(FEW, COUNTY), COUNTY).predict(text).intent is not Intent.PAUSE
    assert IntentClassifier(train([*FEW, *more], COUNTY), COUNTY).predict(text).intent is Intent.PAUSE


def test_a_model_is_read_as_it_was_written() -> None:
    model = train(FEW, COUNTY)
    assert msgspec.json.decode(render(model), type=LinearModel) == model
