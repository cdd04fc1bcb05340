"""Intents of texts that the examples suggest: only where it is certain enough, and corrected where it misleads."""

import re

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.classifier import Prediction
from services.subscriptions.domain.intents.entities import Entities, extract_entities
from services.subscriptions.domain.intents.intent import MAX_FEEDBACK_LENGTH, Intent, ParsedIntent
from services.subscriptions.domain.intents.rules import Findings
from services.subscriptions.domain.intents.text import CitizenText, read_words
from services.subscriptions.domain.intents.vocabulary import (
    OTHER_BUSINESS,
    RECEIVED,
)

# Minimum probability at which a prediction alone counts for something, and at which it alone unsubscribes somebody of
# whose words none hints at leaving.
MIN_PROBABILITY_HIGH, MIN_PROBABILITY_HIGHEST = 0.7, 0.9
# Minimum probability of stopping at which the person is asked, and the probability from which a prediction is not
# doubtful.
MIN_STOP_PROBABILITY = 0.2
MAX_DOUBTFUL_PROBABILITY = 0.4
# Minimum probability of an opinion from somebody who says that they stay.
MIN_OTHER_PROBABILITY = 0.25
# Minimum probability of both stopping and starting at which a single word is ambiguous.
MIN_EITHER_PROBABILITY = 0.05
# Somebody who reports a death means the owner of the number.
_OF_OTHERS = OTHER_BUSINESS - read_words("verstorben verstorbenen")

_ASKING_WORDS = read_words("wer wann")  # "Wer hat den Baum am Rathaus entfernt?"
_HOW = read_words("wie wo how")
_OF_US = RECEIVED | read_words("verteiler liste kanal dienst abo euch ihnen whatsapp")
# "Meine Mutter will sich abmelden, wie macht sie das?"
_OF_ANOTHER = re.compile(
    r"^(?:mein|unser|ein|eine)\w* \w+ (?:will|moechte|wollte|wuerde) (?:sich|das|hier)\b.*"
    r"\b(?:wie|was) \w+ (?:sie|er|die)\b"
)
# "Der Regen macht keine Pause"
_NO_PAUSE = re.compile(r"^(?!ich\b|wir\b)(?:\w+ ){1,3}macht (?:\w+ ){0,2}keine?n? pause\b")
# "Die Sperrung endet erst im Februar"
_OF_A_THING = re.compile(
    r"^(?:der|die|das|unser\w*) \w+ (?:\w+ )?(?:endet|ist|dauert|beginnt|wird|findet|kommt|geht)\b"
    r"(?!.*\b(?:ich|wir|mir|uns|mich|nichts?|nix|keine|pause|ruhe|schick\w*|schreib\w*|send\w*|bitte)\b)"
)
# "Nicht stoppen bitte, ich finde das gut" is no opinion to keep; "Nicht abmelden, aber bitte früher schreiben" is one.
_GO_ON = re.compile(
    r"^(?:bitte |bloss |ja |doch )*nicht (?:\w+ )?(?:stopp\w*|abmelde\w*|aufhoer\w*|abbestell\w*|loesche\w*)\b"
    r"(?!.*\b(?:aber|nur|sondern|nicht|kein\w*|mehr|zu|besser)\b)"
)
LEAVING = (Intent.STOP, Intent.ERASE, Intent.ASK_STOP)
COMING = (Intent.START, Intent.ASK_START, Intent.RESUME)
_COMING_OR_GOING = frozenset((*LEAVING, *COMING))


def apply_prediction(prediction: Prediction, found: Findings, county: County) -> ParsedIntent:
    """Return the intent of a text as predicted, with its slots; a question or OTHER where it is doubtful."""
    doubt, unfounded = _find_doubt(prediction, found), found.stop.is_mere_question
    if (doubt or prediction.intent in _COMING_OR_GOING) and found.stop.is_denied:
        # "Ich will nicht raus, aber die Qualität hat nachgelassen"
        other = prediction.drop(_COMING_OR_GOING)
        sure = other.intent is Intent.FEEDBACK and other.probability >= MIN_OTHER_PROBABILITY
        return _add_slots(other, found, county) if sure else ParsedIntent(intent=Intent.OTHER)
    if doubt and prediction.intent not in LEAVING:
        return ParsedIntent(intent=Intent.OTHER if unfounded and doubt is Intent.ASK_STOP else doubt)
    one = len(found.phrase.words) == 1 and prediction.intent in _COMING_OR_GOING
    if one and (prediction.intent is not Intent.RESUME or prediction.probability < MIN_PROBABILITY_HIGHEST):
        return ParsedIntent(intent=_classify_one_word(prediction))
    corrected = _correct_prediction(prediction, found)
    if corrected:
        return ParsedIntent(intent=corrected)
    if prediction.intent is Intent.STOP and prediction.probability < _require_for_stop(found):
        return ParsedIntent(intent=Intent.OTHER if unfounded else Intent.ASK_STOP)
    return _add_slots(prediction, found, county)


def _find_doubt(prediction: Prediction, found: Findings) -> Intent | None:
    """Return the question to ask if no intent is probable and the person may want to stop, else None."""
    leaving = prediction.sum_probability(*LEAVING)
    if prediction.probability >= MAX_DOUBTFUL_PROBABILITY or leaving < MIN_STOP_PROBABILITY:
        return None
    joining = prediction.sum_probability(*COMING) > 2 * leaving and not found.stop.has_stop_word
    return Intent.ASK_START if joining else Intent.ASK_STOP


def _classify_one_word(prediction: Prediction) -> Intent:
    """Return the question to ask about a single word, which may be a typo of a stop word, a start word, or either.

    OTHER if it is hardly like any of them.
    """
    if prediction.probability < MAX_DOUBTFUL_PROBABILITY:
        return Intent.OTHER
    leaves, joins = prediction.sum_probability(*LEAVING), prediction.sum_probability(Intent.START, Intent.ASK_START)
    if min(leaves, joins) >= MIN_EITHER_PROBABILITY:
        return Intent.ASK_BOTH
    return Intent.ASK_STOP if leaves > joins else Intent.ASK_START


def _require_for_stop(found: Findings) -> float:
    """Return the probability at which a prediction alone unsubscribes somebody."""
    asks = found.phrase.words[0] in _ASKING_WORDS
    doubtful = asks or _OF_OTHERS & found.phrase.said or not found.stop.has_hint
    return MIN_PROBABILITY_HIGHEST if doubtful else MIN_PROBABILITY_HIGH


def _correct_prediction(prediction: Prediction, found: Findings) -> Intent | None:
    """Return the intent of a text that only resembles the examples of the predicted one; None if it does not."""
    match prediction.intent:
        case Intent.ERASE:
            return Intent.OTHER if found.stop.is_report else Intent.ASK_ERASE
        case Intent.STOP if found.stop.is_enjoying:
            return Intent.OTHER
        case Intent.FEEDBACK if _GO_ON.search(found.phrase.sentence):
            return Intent.OTHER
        case Intent.STOP if found.stop.is_hypothetical and (
            found.text.asks or prediction.probability < MIN_PROBABILITY_HIGHEST
        ):
            return Intent.ASK_STOP
        case Intent.STOP | Intent.ASK_STOP if _OF_ANOTHER.search(found.phrase.sentence):
            return Intent.HELP
        case Intent.PAUSE | Intent.RESUME:
            return _correct_pause(prediction.intent, found)
        case _:
            return None


def _correct_pause(intent: Intent, found: Findings) -> Intent | None:
    if intent is Intent.RESUME and found.text.asks and found.phrase.words[0] in _HOW and not _OF_US & found.phrase.said:
        return Intent.OTHER  # "Wie geht es weiter mit dem Krankenhaus?"
    told = found.phrase.sentence
    of_a_thing = intent is Intent.PAUSE and _OF_A_THING.search(told)
    talk = found.pause.is_holiday_talk or _NO_PAUSE.search(told) or of_a_thing
    return Intent.OTHER if talk else None


def _add_slots(prediction: Prediction, found: Findings, county: County) -> ParsedIntent:
    match prediction.intent:
        case Intent.PAUSE:
            return found.pause.pause
        case Intent.FEEDBACK:
            return ParsedIntent(intent=Intent.FEEDBACK, text=found.text.raw.strip()[:MAX_FEEDBACK_LENGTH])
        case Intent.START | Intent.ASK_START | Intent.ONLY | Intent.ADD | Intent.REMOVE | Intent.PLACES:
            return _build_choice(prediction, extract_entities(found.text, county), found.text)
        case _:
            return ParsedIntent(intent=prediction.intent)


def _build_choice(prediction: Prediction, about: Entities, text: CitizenText) -> ParsedIntent:
    match prediction.intent:
        case Intent.START | Intent.ASK_START:
            return ParsedIntent(intent=Intent.ASK_START, topics=about.wanted)
        case Intent.ADD:
            return _build_add(about)
        case Intent.ONLY:
            return _build_only(about, text)
        case Intent.REMOVE:
            return _build_remove(about, text)
        case _:
            return ParsedIntent(intent=Intent.ONLY if about.places else Intent.PLACES, places=about.places)


def _build_only(about: Entities, text: CitizenText) -> ParsedIntent:
    wanted = about.topics if about.rest is False else about.wanted
    if wanted or about.places:
        return ParsedIntent(intent=Intent.ONLY, topics=wanted, places=about.places)
    return _build_remove(about, text)


def _build_add(about: Entities) -> ParsedIntent:
    topics = (about.wanted - about.had) or about.topics
    if topics or not about.places:
        return ParsedIntent(intent=Intent.ADD if topics else Intent.TOPICS, topics=topics)
    return ParsedIntent(intent=Intent.ADD, places=about.places)  # "Bitte auch noch Lilienthal dazunehmen"


def _build_remove(about: Entities, text: CitizenText) -> ParsedIntent:
    wanted = about.topics if about.rest is False else about.wanted if "ausschliesslich" in text.said else None
    if wanted:
        return ParsedIntent(intent=Intent.ONLY, topics=wanted, places=about.places)
    topics = about.unwanted or (about.wanted - about.kept)
    return ParsedIntent(intent=Intent.REMOVE if topics else Intent.TOPICS, topics=topics)
