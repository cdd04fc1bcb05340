"""Intent classifier: features of a text, and a model trained on examples that predicts the intent from them.

The examples are messages with their intents, in the folder `examples`, one file for each common intent. `python -m
tools.intents` writes the linear model; its weights are integers, so that changes of the file are readable.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from itertools import chain, pairwise
from math import exp, sqrt
from typing import NamedTuple

import msgspec
from msgspec import Struct

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.pause_intent import MONTHS, NUMBERS, UNITS, WEEKDAYS
from services.subscriptions.domain.intents.text import STRETCHED, CitizenText, normalize_words, read_words, tokenize
from services.subscriptions.domain.intents.topic_selection import compile_topic_patterns
from services.subscriptions.domain.intents.vocabulary import POLITE, SIGN_OFF

MODEL_FILE = "model.json"
# Units of the weights, and how strongly a difference of two scores separates their probabilities.
SCALE = 32
SHARPNESS = 7
# Of a longer text only the first and the last words count, as requests often come at the end.
MAX_FIRST_WORDS, MAX_LAST_WORDS = 84, 36
# "Melden Sie mich ab": the largest distance between the words of a pair.
MAX_PAIR_DISTANCE = 4
CHAR_NGRAM_LENGTH = 4
# A longer text may be a letter with a greeting and a name.
MIN_LETTER_WORDS = 8
_BEFORE_SIGN_OFF = POLITE | {"mit"}
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W_]+|\?")
_MAX_CACHED_WORDS = 20_000

PLACE, TOPIC, UNIT, NUMBER, DAY = "PLACE", "TOPIC", "UNIT", "9", "DAY"
_ARTICLES = read_words("ein eine einen einem einer ne nen")
# Words that mean the same in a request, with the name of their class.
_WORD_CLASSES = {
    word: word_class
    for word_class, words in {
        "NEWS": """nachricht nachrichten meldung meldungen info infos information informationen mitteilung mitteilungen
        news benachrichtigung benachrichtigungen neuigkeit neuigkeiten rundschreiben updates messages""",
        "SERVICE": """dienst dienstes nachrichtendienst informationsdienst infodienst newsletter kanal infokanal
        kreisfunk service angebot abo abonnement""",
        "LIST": "verteiler verteilers liste gruppe empfaengerliste verteilerliste",
        "SEND": """schicken schickt schick schicke senden sendet sende zusenden zuschicken zugeschickt geschickt
        gesendet zugesendet zugesandt""",
        "GET": "bekommen bekomme erhalten erhalte kriegen kriege krieg empfangen beziehen gekriegt empfange beziehe",
        "WISH": "moechte moechten will wollen wuerde wuerden haette haetten wuensche wuenschen moecht wollte mag",
        "YOUR": "euer eure euren euern eurem eurer ihre ihren ihrem ihrer ihres deine deinen",
        "MY": "mein meine meinen meiner meinem unser unsere unseren unserer unserem",
        "ME": "mich uns mir",
        "I": "ich wir",
        "YOU": "sie ihr euch ihnen du",
        "NO": "kein keine keinen keiner keinerlei",
        "CAN": "kann koennen koennt koennte koennten kannst koenntet",
        "THE": "der die das den dem des dies diese diesen dieser dieses diesem",
    }.items()
    for word in read_words(words)
}


class Example(NamedTuple):
    """Message and its possible intents, the best first."""

    text: str
    intents: tuple[Intent, ...]


@cache
def read_examples() -> tuple[Example, ...]:
    """Return all examples, always in the same order."""
    files = sorted(resources.files(__package__).joinpath("examples").iterdir(), key=lambda file: file.name)
    return tuple(example for file in files for example in parse_examples(file.read_text(encoding="utf-8")))


def parse_examples(text: str) -> Iterator[Example]:
    """Yield the examples of one file: a line is a message.

    A heading such as `[stop ask_stop]` gives the intents of the lines below it, the best one first. Raises ValueError
    if a heading names an unknown intent.
    """
    intents: tuple[Intent, ...] = ()
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("[") and line.endswith("]"):
            intents = tuple(map(Intent, line[1:-1].split()))
        else:
            yield Example(line, intents)


class Prediction:
    """Probability of each intent; the probabilities sum to 1."""

    def __init__(self, probabilities: Mapping[Intent, float]) -> None:
        self._probabilities = probabilities
        self.intent = max(probabilities, key=lambda intent: (probabilities[intent], intent))

    @property
    def probability(self) -> float:
        """Return the probability of `intent`."""
        return self._probabilities[self.intent]

    def drop(self, intents: Collection[Intent]) -> "Prediction":
        """Return the prediction among all other intents, with unchanged probabilities."""
        return Prediction({intent: share for intent, share in self._probabilities.items() if intent not in intents})

    def sum_probability(self, *intents: Intent) -> float:
        return sum(self._probabilities.get(intent, 0.0) for intent in intents)


class Feature(Struct, frozen=True, array_like=True):
    """Rarity of a feature (its inverse document frequency), and its weight for each intent of the model."""

    rarity: float
    weights: tuple[int, ...]


class LinearModel(Struct, frozen=True, kw_only=True):
    """Weights of features for each intent; `digest` identifies the examples and features of the training."""

    digest: str
    intents: tuple[Intent, ...]
    biases: tuple[int, ...]
    features: dict[str, Feature]

    def calculate_probabilities(self, features: Iterable[str]) -> dict[Intent, float]:
        """Return the probability of each intent; without known features, the most common intent is the likeliest."""
        known = [feature for name in features if (feature := self.features.get(name))]
        sums = [0.0] * len(self.intents)
        for feature in known:
            sums = [total + feature.rarity * weight for total, weight in zip(sums, feature.weights, strict=True)]
        length = sqrt(sum(feature.rarity**2 for feature in known)) or 1.0
        scores = [total / length + bias for total, bias in zip(sums, self.biases, strict=True)]
        highest = max(scores)
        shares = [exp((score - highest) * SHARPNESS / SCALE) for score in scores]
        return {intent: share / sum(shares) for intent, share in zip(self.intents, shares, strict=True)}


@cache
def read_model() -> LinearModel:
    """Return the model trained on our examples."""
    return msgspec.json.decode(resources.files(__package__).joinpath(MODEL_FILE).read_bytes(), type=LinearModel)


class IntentClassifier:
    """Classifier of texts for one county."""

    def __init__(self, model: LinearModel, county: County) -> None:
        self._model = model
        self._classify_token = build_token_classifier(county)

    def predict(self, text: CitizenText) -> Prediction:
        """Return the prediction for a text."""
        return Prediction(self._model.calculate_probabilities(extract_features(text.normalized, self._classify_token)))


@cache
def load_classifier(county: County) -> IntentClassifier:
    """Return the classifier trained on our examples."""
    return IntentClassifier(read_model(), county)


def extract_features(normalized: str, classify_token: Callable[[str], str]) -> Sequence[str]:
    """Return each feature of a normalized text once: words, n-grams and skip-grams, and character n-grams.

    Character n-grams begin with `#`. `classify_token` maps a word to its class, or to itself.
    """
    words = _strip_greeting(normalize_words(_split_words(normalized)))
    tokens = [classify_token(word) for word in words]
    return list(
        dict.fromkeys(chain(tokens, _build_ngrams(tokens), _build_skip_grams(tokens), *map(_build_char_ngrams, words)))
    )


def _split_words(normalized: str) -> list[str]:
    """Return the words, with every number as "9". A question mark counts as a word: "Kostet das etwas?"."""
    words = _WORD.findall(STRETCHED.sub(r"\1", _NUMBER.sub("9", normalized)))
    is_long = len(words) > MAX_FIRST_WORDS + MAX_LAST_WORDS
    return words[:MAX_FIRST_WORDS] + words[-MAX_LAST_WORDS:] if is_long else words


def _strip_greeting(words: list[str]) -> list[str]:
    """Return the words without the greeting, the closing formula and the name below it, which reveal no intent."""
    if len(words) < MIN_LETTER_WORDS:
        return words
    start = next((index for index, word in enumerate(words) if word not in POLITE), 0)
    end = next(
        (index for index in range(len(words) - MIN_LETTER_WORDS, len(words)) if words[index] in SIGN_OFF), len(words)
    )
    while start < end < len(words) and words[end - 1] in _BEFORE_SIGN_OFF:
        end -= 1
    return words[start:end] or words


def _build_ngrams(words: Sequence[str]) -> Iterator[str]:
    yield from map(" ".join, pairwise(words))
    yield from map(" ".join, zip(words, words[1:], words[2:], strict=False))


def _build_skip_grams(words: Sequence[str]) -> Iterator[str]:
    """Yield pairs of words with others in between; they are as rare as three adjacent words, and treated like them."""
    for distance in range(2, MAX_PAIR_DISTANCE + 1):
        yield from map(" .. ".join, zip(words, words[distance:], strict=False))


@lru_cache(maxsize=_MAX_CACHED_WORDS)
def _build_char_ngrams(word: str) -> tuple[str, ...]:
    """Return the sequences of four characters, word boundaries included; a short word is one sequence."""
    bounded = f" {word} "
    return tuple(
        f"#{bounded[start : start + CHAR_NGRAM_LENGTH]}"
        for start in range(max(1, len(bounded) - CHAR_NGRAM_LENGTH + 1))
    )


@cache
def build_token_classifier(county: County) -> Callable[[str], str]:
    """Return a function that maps a word to its class, or to itself if it has none."""
    places = {word for names in county.place_names.values() for name in names for word in tokenize(name)}
    patterns = [pattern for _, pattern in compile_topic_patterns(county)]

    @lru_cache(maxsize=_MAX_CACHED_WORDS)
    def classify_token(word: str) -> str:
        if word in places:
            return PLACE
        if any(pattern.match(word) for pattern in patterns):
            return TOPIC
        return _WORD_CLASSES.get(word) or _classify_time(word)

    return classify_token


def _classify_time(word: str) -> str:
    if word in UNITS:
        return UNIT
    if word in NUMBERS and word not in _ARTICLES:
        return NUMBER
    return DAY if word in MONTHS or word in WEEKDAYS else word
