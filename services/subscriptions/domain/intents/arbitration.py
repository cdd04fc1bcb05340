"""Arbitration between the rules and the classifier. Only rules subscribe or erase anybody."""

import re
from collections.abc import Callable, Sequence

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.classifier import Prediction
from services.subscriptions.domain.intents.corrections import OF_OTHERS, correct_prediction
from services.subscriptions.domain.intents.emergency import is_despair
from services.subscriptions.domain.intents.entities import Entities, extract_entities, is_about_origin
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.pause_intent import (
    build_pause,
    has_limit,
    is_pause_question,
)
from services.subscriptions.domain.intents.pause_limits import parse_limit
from services.subscriptions.domain.intents.phrases import MISTAKEN
from services.subscriptions.domain.intents.question_intent import MAX_FEEDBACK_LENGTH, asks_what_happens
from services.subscriptions.domain.intents.stop_intent import has_stop_word, hints_at_leaving, is_stop_denied
from services.subscriptions.domain.intents.text import read_words, tokenize
from services.subscriptions.domain.intents.topic_selection import ALL_AGAIN
from services.subscriptions.domain.intents.vocabulary import LEAVE_US, NO, ONLY, POLITE

# Minimum probability at which a prediction is accepted: where no rule matched, against a rule, against a strong rule,
# and against a stop rule.
MIN_PROBABILITY_LOW, MIN_PROBABILITY_MEDIUM, MIN_PROBABILITY_HIGH, MIN_PROBABILITY_HIGHEST = 0.25, 0.5, 0.7, 0.9
# Minimum probability of stopping at which the person is asked, and the probability from which a prediction is not
# doubtful.
MIN_STOP_PROBABILITY = 0.2
MAX_DOUBTFUL_PROBABILITY = 0.4
# Minimum probability of both stopping and starting at which a single word is ambiguous.
MIN_EITHER_PROBABILITY = 0.05
# Texts this short are left to the rules.
MAX_SHORT_WORDS = 2
# Nothing can be guessed from a single letter.
MAX_NOISE = 1
# And in these a word of leaving is about little else.
BRIEF = 6

_ASKING = frozenset((Intent.ASK_START, Intent.ASK_STOP))
# Intents expressed with stop words without meaning a stop: a pause, some topics, both, an automatic reply.
_NEAR_LEAVING = frozenset(
    (Intent.PAUSE, Intent.RESUME, Intent.REMOVE, Intent.ONLY, Intent.ASK_BOTH, Intent.NOTHING, Intent.EMERGENCY)
)
_JOINING = {Intent.START, Intent.ASK_START}
_COMING = (Intent.START, Intent.ASK_START, Intent.RESUME)
# Whoever means both says both, which rules know.
_NEAR_STOP = (_NEAR_LEAVING - {Intent.ASK_BOTH}) | {Intent.STOP, *_COMING}
_BACK = re.compile(
    r"\bwieder (?:\w+ ){0,3}(?:an|ein|rein|dabei|anmelden|aufnehmen|eintragen|einschalten|anschalten|freischalten|"
    r"abonnieren|mitmachen|mitlesen|reinnehmen|dazunehmen|reinlassen|hinzufuegen|teilnehmen)\b"
)
_ASKING_WORDS = read_words("wer wann")  # "Wer hat den Baum am Rathaus entfernt?"
_PREFIXES_OF_LEAVING = read_words("ab aus weg raus")
_NO_INTEREST = re.compile(r"\bkeine? interesse (?:\w+ )?an\b")
_ABOUT_TOPICS = (Intent.ONLY, Intent.ADD, Intent.REMOVE)
_ALSO = read_words("auch noch dazu zusaetzlich ausserdem also too ok")
_CHOICES = (Intent.ONLY, Intent.ADD, Intent.REMOVE, Intent.PLACES, Intent.TOPICS)
_LEAVE = (Intent.STOP, Intent.ERASE, Intent.ASK_STOP)
_COMING_OR_GOING = frozenset((*_LEAVE, Intent.START, Intent.ASK_START, Intent.RESUME))


def resolve_intent(rule: ParsedIntent, prediction: Prediction, text: str, county: County) -> ParsedIntent:
    """Return the intent of a text, given the rule that matched and the prediction from the examples."""
    words = tokenize(text)
    if rule.intent is Intent.OTHER and (set(words) <= POLITE or len("".join(words)) <= MAX_NOISE):
        return rule
    if (
        rule.intent is prediction.intent
        and rule.intent in _ABOUT_TOPICS
        and _has_two_sides(extract_entities(text, county))
    ):
        return _apply_prediction(prediction, words, text, county)
    agreed = rule.intent in (prediction.intent, Intent.START) or {rule.intent, prediction.intent} == _JOINING
    mistaken = rule.intent is Intent.ASK_START and MISTAKEN.search(" ".join(words))
    # "Abmeldung, was denn sonst", "Abmeldung warum dauert das so lange"
    plain = (
        prediction.intent not in _NEAR_STOP
        and len(words) <= BRIEF
        and "?" not in text
        and _has_stop_phrase(rule, words)
    )
    elsewhere = rule.intent is Intent.STOP and prediction.intent is Intent.PLACES and is_about_origin(words, county)
    if agreed or mistaken or plain or not words or not (elsewhere or _should_overrule(prediction, rule, words)):
        return _keep_rule(rule, prediction, words, text)
    if rule.intent is Intent.STOP and prediction.intent is Intent.WHY:
        return ParsedIntent(intent=Intent.ASK_STOP)  # "Das will ich nicht. Woher haben Sie meine Nummer?"
    parsed = _apply_prediction(prediction, words, text, county)
    # Topics that nobody named are no reason to drop a rule.
    unfounded = (
        parsed.intent is Intent.TOPICS and prediction.intent is not Intent.TOPICS and rule.intent is not Intent.OTHER
    )
    if unfounded and _may_be_about_a_topic(rule, prediction, words):
        return ParsedIntent(intent=Intent.ASK_STOP)
    return rule if unfounded else parsed


def _may_be_about_a_topic(rule: ParsedIntent, prediction: Prediction, words: Sequence[str]) -> bool:
    """Return whether a stop may be about a topic that we do not know: "Die Straßensachen brauche ich nicht mehr"."""
    probable = prediction.probability >= MIN_PROBABILITY_HIGH
    return rule.intent is Intent.STOP and probable and not has_stop_word(words)


def _has_two_sides(about: Entities) -> bool:
    """Return whether some topics are wanted and others not.

    For example "Stoppen Sie die Baustellen. Die Sperrungen brauche ich."
    """
    return bool(about.wanted and about.unwanted)


def _should_overrule(prediction: Prediction, rule: ParsedIntent, words: Sequence[str]) -> bool:
    """Return whether the prediction replaces the rule. A stop is accepted most readily and given up least readily."""
    short, probability = len(words) <= MAX_SHORT_WORDS, prediction.probability
    if prediction.intent is Intent.NOTHING:
        # A text taken for an automatic reply gets no answer at all.
        return probability >= MIN_PROBABILITY_HIGHEST
    if rule.intent is Intent.OTHER:
        return prediction.probability >= MIN_PROBABILITY_LOW
    if (short and rule.intent not in _ASKING) or _is_settled(prediction, rule, words):
        return False
    if rule.intent is Intent.STOP and prediction.intent in _COMING:
        back = _BACK.search(" ".join(words))
        denied = has_stop_word(words) or NO & set(words)
        return prediction.probability >= (MIN_PROBABILITY_MEDIUM if back else MIN_PROBABILITY_HIGHEST) and bool(
            back or not denied
        )
    if rule.intent is Intent.EMERGENCY or (rule.intent is Intent.STOP and prediction.intent not in _NEAR_LEAVING):
        return probability >= MIN_PROBABILITY_HIGHEST
    strong = short or rule.intent is Intent.ASK_BOTH
    return probability >= (MIN_PROBABILITY_HIGH if strong else MIN_PROBABILITY_MEDIUM)


def _is_settled(prediction: Prediction, rule: ParsedIntent, words: Sequence[str]) -> bool:
    """Return whether a rule stands against this prediction, however probable it is."""
    match rule.intent, prediction.intent:
        case Intent.STOP | Intent.ASK_START, Intent.ASK_BOTH:
            return bool(NO & set(words))  # "Nicht anmelden, abmelden!" is clear enough
        case Intent.STOP, Intent.PLACES:
            return not ONLY & set(words)  # "Wir wohnen nicht mehr in Grasberg, bitte nichts mehr schicken"
        case Intent.PAUSE, Intent.ONLY | Intent.ADD | Intent.REMOVE | Intent.PLACES | Intent.RESUME:
            return has_limit(rule)  # "Bis Neujahr pausieren und danach nur noch Sperrungen": the pause cannot wait
        case Intent.ONLY, Intent.TOPICS | Intent.START | Intent.ASK_START | Intent.ADD:
            all_topics = "themen" in words and bool(ALL_AGAIN & set(words))  # "Ich möchte doch wieder alle Themen"
            return all_topics or (prediction.intent is Intent.TOPICS and bool(ONLY & set(words)))
        case Intent.PLACES | Intent.FEEDBACK, _:
            # As in "Rückmeldung: bitte mehr Veranstaltungen für Kinder". The topics' answer names no way to the places.
            places = rule.intent is Intent.PLACES and prediction.intent is Intent.TOPICS
            return rule.every_place or places or (bool(rule.text) and prediction.intent in _CHOICES)
        case Intent.TOPICS, _:
            return is_pause_question(words)
        case Intent.REMOVE, Intent.ADD:
            return words[-1] in _PREFIXES_OF_LEAVING or has_stop_word(words)  # "Schaltet die Jobs ab"
        case _:
            return prediction.intent in (*_LEAVE, Intent.REMOVE) and _is_no_leaving(prediction, rule, words)


def _is_no_leaving(prediction: Prediction, rule: ParsedIntent, words: Sequence[str]) -> bool:
    """Return whether a rule stands against the prediction that somebody leaves, or drops topics."""
    match rule.intent:
        case Intent.ASK_START | Intent.ADD:
            return not hints_at_leaving(words)  # "Ich gebe meine Einwilligung", "mehr Jobs"
        case Intent.EMERGENCY:
            return is_despair(words)
        case Intent.HELP:
            return asks_what_happens(words)
        case Intent.REMOVE if prediction.intent is Intent.STOP:  # "Kein Interesse mehr an Baustellen"
            return prediction.probability < MIN_PROBABILITY_HIGH or bool(_NO_INTEREST.search(" ".join(words)))
        case _:
            return False


def _has_stop_phrase(rule: ParsedIntent, words: Sequence[str]) -> bool:
    """Return whether a rule has found a word of leaving that is not denied; where it only doubts, as the first word."""
    if rule.intent is Intent.ASK_STOP:
        return bool(LEAVE_US & set(words[:1]))
    return rule.intent is Intent.STOP and has_stop_word(words)


def _keep_rule(rule: ParsedIntent, prediction: Prediction, words: Sequence[str], text: str) -> ParsedIntent:
    """Return the rule's intent; ask instead of sending the general hint if the person may want to stop."""
    if rule.intent is not Intent.OTHER or len(words) <= 1 or _is_mere_question(words, text) or is_stop_denied(words):
        return rule
    sure = prediction.intent is Intent.OTHER and prediction.probability >= MIN_PROBABILITY_HIGH
    doubtful = not sure and prediction.sum_probability(*_LEAVE) >= MIN_STOP_PROBABILITY
    return ParsedIntent(intent=Intent.ASK_STOP) if doubtful else rule


def _is_mere_question(words: Sequence[str], text: str) -> bool:
    """Return whether a question has no word of leaving: "Wo ist der Haken?"."""
    return "?" in text and not hints_at_leaving(words)


def _apply_prediction(prediction: Prediction, words: Sequence[str], text: str, county: County) -> ParsedIntent:
    doubt = _find_doubt(prediction, words)
    if (doubt or prediction.intent in _COMING_OR_GOING) and is_stop_denied(words):
        return ParsedIntent(intent=Intent.OTHER)
    unfounded = _is_mere_question(words, text)
    if doubt and prediction.intent not in _LEAVE:
        return ParsedIntent(intent=Intent.OTHER if unfounded and doubt is Intent.ASK_STOP else doubt)
    if len(words) == 1 and prediction.intent in _COMING_OR_GOING:
        return ParsedIntent(intent=_classify_one_word(prediction))
    corrected = correct_prediction(prediction, words, text)
    if corrected:
        return ParsedIntent(intent=corrected)
    if prediction.intent is Intent.STOP and prediction.probability < _require_for_stop(words):
        return ParsedIntent(intent=Intent.OTHER if unfounded else Intent.ASK_STOP)
    about = extract_entities(text, county)
    if (
        prediction.intent is Intent.ONLY
        and prediction.probability < MIN_PROBABILITY_HIGH
        and _ALSO & set(words)
        and not ONLY & set(words)
    ):
        return _build_add(about, text)
    make = _INTENT_BUILDERS.get(prediction.intent)
    return make(about, text) if make else ParsedIntent(intent=prediction.intent)


def _require_for_stop(words: Sequence[str]) -> float:
    """Return the probability at which a prediction alone unsubscribes somebody."""
    doubtful = OF_OTHERS & set(words) or not hints_at_leaving(words) or words[0] in _ASKING_WORDS
    return MIN_PROBABILITY_HIGHEST if doubtful else MIN_PROBABILITY_HIGH


def _find_doubt(prediction: Prediction, words: Sequence[str]) -> Intent | None:
    """Return the question to ask if no intent is probable and the person may want to stop, else None."""
    leaving = prediction.sum_probability(*_LEAVE)
    if prediction.probability >= MAX_DOUBTFUL_PROBABILITY or leaving < MIN_STOP_PROBABILITY:
        return None
    joining = prediction.sum_probability(*_COMING) > 2 * leaving and not has_stop_word(words)
    return Intent.ASK_START if joining else Intent.ASK_STOP


def _classify_one_word(prediction: Prediction) -> Intent:
    """Return the question to ask about a single word, which may be a typo of a stop word, a start word, or either.

    OTHER if it is hardly like any of them.
    """
    if prediction.probability < MAX_DOUBTFUL_PROBABILITY:
        return Intent.OTHER
    leaves, joins = prediction.sum_probability(*_LEAVE), prediction.sum_probability(Intent.START, Intent.ASK_START)
    if min(leaves, joins) >= MIN_EITHER_PROBABILITY:
        return Intent.ASK_BOTH
    return Intent.ASK_STOP if leaves > joins else Intent.ASK_START


def _build_start(about: Entities, text: str) -> ParsedIntent:
    return ParsedIntent(intent=Intent.ASK_START, topics=about.wanted)


def _build_only(about: Entities, text: str) -> ParsedIntent:
    wanted = about.topics if about.rest is False else about.wanted
    if wanted or about.places:
        return ParsedIntent(intent=Intent.ONLY, topics=wanted, places=about.places)
    return _build_remove(about, text)


def _build_add(about: Entities, text: str) -> ParsedIntent:
    topics = (about.wanted - about.had) or about.topics
    return ParsedIntent(intent=Intent.ADD, topics=topics) if topics else ParsedIntent(intent=Intent.TOPICS)


def _build_remove(about: Entities, text: str) -> ParsedIntent:
    if about.rest is False and about.topics:
        return ParsedIntent(intent=Intent.ONLY, topics=about.topics, places=about.places)
    if about.kept and ONLY & set(tokenize(text)):
        return ParsedIntent(intent=Intent.ONLY, topics=about.kept, places=about.places)
    topics = about.unwanted or (about.wanted - about.kept)
    return ParsedIntent(intent=Intent.REMOVE, topics=topics) if topics else ParsedIntent(intent=Intent.TOPICS)


def _build_places(about: Entities, text: str) -> ParsedIntent:
    return ParsedIntent(intent=Intent.ONLY, places=about.places) if about.places else ParsedIntent(intent=Intent.PLACES)


def _build_pause(about: Entities, text: str) -> ParsedIntent:
    return build_pause(parse_limit(tokenize(text), text))


def _build_feedback(about: Entities, text: str) -> ParsedIntent:
    return ParsedIntent(intent=Intent.FEEDBACK, text=text.strip()[:MAX_FEEDBACK_LENGTH])


_INTENT_BUILDERS: dict[Intent, Callable[[Entities, str], ParsedIntent]] = {
    Intent.START: _build_start,
    Intent.ASK_START: _build_start,
    Intent.ONLY: _build_only,
    Intent.ADD: _build_add,
    Intent.REMOVE: _build_remove,
    Intent.PLACES: _build_places,
    Intent.PAUSE: _build_pause,
    Intent.FEEDBACK: _build_feedback,
}
