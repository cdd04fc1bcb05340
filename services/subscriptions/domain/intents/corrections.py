"""Corrections of predictions: texts that resemble the examples of an intent and mean something else."""

import re
from collections.abc import Sequence

from services.subscriptions.domain.intents.classifier import Prediction
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.pause_intent import is_endless, is_holiday_talk, is_pause_question
from services.subscriptions.domain.intents.stop_intent import is_report
from services.subscriptions.domain.intents.text import read_words
from services.subscriptions.domain.intents.vocabulary import (
    NO,
    OTHER_BUSINESS,
    RECEIVED,
    STOP_ALONE_WORDS,
    STOP_WORDS,
)

# Data are shown to nobody who probably asked for something else.
MIN_DATA_PROBABILITY = 0.5
# Somebody who reports a death means the owner of the number.
OF_OTHERS = OTHER_BUSINESS - read_words("verstorben verstorbenen")

_HOW = read_words("wie wo how")
_ELSEWHERE = OF_OTHERS - read_words("mutter vater kind kinder sohn tochter")
_OF_US = RECEIVED | read_words("verteiler liste kanal dienst abo euch ihnen whatsapp")
# Learners who ask for plainer words: "Ich nicht alles verstehen".
_PUZZLED = re.compile(
    r"\b(?:nicht|nichts|nix|kein deutsch) (?:(?!mehr)\w+ ){0,2}(?:versteh\w*|verstanden|kapier\w*)\b|"
    r"\bversteh\w* (?:(?:das|es|alles|diese|dieses|deutsch|gut|ihre|eure|texte|so) ){0,2}(?:nicht|nichts|nix)\b"
)
_NOT_STARTING = re.compile(
    r"\b(?:nicht|kein|keine|nie|no) (?:(?:wieder|mehr|hier|jetzt) )?(?:start|starten|anmelden|anmeldung|abo|abonnieren|"
    r"eintragen|registrieren|mitmachen|teilnehmen|rein)\b|\b(?:stimme|willige) (?:\w+ ){0,4}nicht (?:zu|ein)\b"
)
_UNABLE = read_words("kann konnte koennen")
_STAYING = re.compile(r"\bnicht (?:stopp?\w*|abmelde\w*|abbestell\w*|loesch\w*|kuendig\w*|aufhoer\w*)\b")
# "So ein Schwachsinn, aufhören!"
_QUITTING = read_words("aufhoeren schluss")
# "Der Regen macht keine Pause"
_NO_PAUSE = re.compile(r"^(?!ich\b|wir\b)(?:\w+ ){1,3}macht (?:\w+ ){0,2}keine?n? pause\b")
# "Die Sperrung endet erst im Februar"
_OF_A_THING = re.compile(
    r"^(?:der|die|das|unser\w*) \w+ (?:\w+ )?(?:endet|ist|dauert|beginnt|wird|findet|kommt|geht)\b"
    r"(?!.*\b(?:ich|wir|mir|uns|mich|nichts?|nix|keine|pause|ruhe|schick\w*|schreib\w*|send\w*|bitte)\b)"
)


def correct_prediction(prediction: Prediction, words: Sequence[str], text: str) -> Intent | None:
    """Return the intent of a text that only resembles the examples of the predicted one; None if it does not."""
    match prediction.intent:
        case Intent.STOP | Intent.ASK_STOP | Intent.ERASE:
            return _correct_leaving(prediction.intent, words)
        case Intent.DATA if prediction.probability < MIN_DATA_PROBABILITY:
            return Intent.OTHER
        case Intent.START | Intent.ASK_START if _NOT_STARTING.search(" ".join(words)) and not _UNABLE & set(words):
            return Intent.OTHER
        case Intent.FEEDBACK if _STAYING.search(" ".join(words)):
            return Intent.OTHER
        case Intent.FEEDBACK if words[-1] in _QUITTING:
            return Intent.ASK_STOP
        case Intent.PAUSE | Intent.RESUME:
            return _correct_pause(prediction.intent, words, text)
        case _:
            return None


def _correct_leaving(intent: Intent, words: Sequence[str]) -> Intent | None:
    asks_how = words[0] in _HOW and intent is not Intent.ASK_STOP
    if asks_how and _ELSEWHERE & set(words) and not _OF_US & set(words):
        return Intent.OTHER  # "Wie lösche ich mein Konto bei Facebook?"
    if intent is Intent.ERASE:
        return Intent.OTHER if is_report(words) else Intent.ASK_ERASE
    return Intent.HELP if _is_puzzled(words) else None


def _correct_pause(intent: Intent, words: Sequence[str], text: str) -> Intent | None:
    if intent is Intent.RESUME and is_pause_question(words):
        return Intent.TOPICS
    if intent is Intent.PAUSE and is_endless(words):
        return Intent.ASK_STOP
    told = " ".join(words)
    talk = (
        is_holiday_talk(words, text) or _NO_PAUSE.search(told) or (intent is Intent.PAUSE and _OF_A_THING.search(told))
    )
    return Intent.OTHER if talk else None


def _is_puzzled(words: Sequence[str]) -> bool:
    """Return whether somebody only says that they do not understand."""
    rest, puzzled = _PUZZLED.subn(" ", " ".join(words))
    return bool(puzzled) and not (STOP_WORDS | STOP_ALONE_WORDS | NO | {"mehr"}) & set(rest.split())
