"""The committed model follows from the examples, and training teaches what examples say."""

import msgspec
import pytest

from services.subscriptions.domain.intents.classifier import Example, IntentClassifier, read_examples
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.linear_model import LinearModel, read_model
from services.subscriptions.domain.intents.text import CitizenText
from tests.factories.citizens import COUNTY
from tools.intents import FILE, build_digest, list_features, render, train

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
