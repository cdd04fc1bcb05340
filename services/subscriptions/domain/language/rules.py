"""What is certain: texts with words of ours, and little else in them."""

import re
from collections.abc import Sequence

from services.subscriptions.domain.county import County
from services.subscriptions.domain.language import foreign, phrases
from services.subscriptions.domain.language.asking import feedback_of, question_of
from services.subscriptions.domain.language.choosing import choice_of
from services.subscriptions.domain.language.clauses import clauses_of, unsigned
from services.subscriptions.domain.language.emergency import LONGEST_CRY, is_emergency
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.joining import declines, joins, may_be_joining
from services.subscriptions.domain.language.leaving import complains, erases, leaves, may_be_leaving, wants_out
from services.subscriptions.domain.language.pausing import pause_of
from services.subscriptions.domain.language.spelling import vocabulary, words_of
from services.subscriptions.domain.language.typing_errors import corrected, meant, undecided
from services.subscriptions.domain.language.verbs import together
from services.subscriptions.domain.language.vocabulary import (
    ALONE,
    FAMILY,
    JOINISH,
    LEAVE,
    NO,
    ONLY,
    OTHER_BUSINESS,
    POLITE,
    START,
    STOP,
)

# What a part of a longer text may mean, the first first. Joining is asked about, as the rest is not understood.
_RANK = (
    Intent.ERASE, Intent.STOP, Intent.ASK_ERASE, Intent.PAUSE, Intent.EMERGENCY, Intent.REMOVE, Intent.ONLY, Intent.ADD,
    Intent.PLACES, Intent.RESUME, Intent.DATA, Intent.WHY, Intent.ASK_BOTH, Intent.ASK_STOP, Intent.START,
    Intent.ASK_START, Intent.TOPICS, Intent.HELP, Intent.OTHER,
)  # fmt: skip
_UNCLEAR = (Intent.OTHER, Intent.ASK_STOP)
_ABOUT_ONESELF = frozenset((Intent.STOP, Intent.START, Intent.ASK_START, Intent.ASK_STOP))
_ANOTHER = vocabulary("ihn es ihm er")
_KNOWN = LEAVE | JOINISH | ALONE | STOP | NO

_HOW = vocabulary("wie wo how")
# "Stop mal, gilt die Umleitung noch?"; whoever says a plain "Stop" is heard in any case.
_HOLD_ON = STOP | vocabulary("mal halt moment kurz warte")
_STARTING = vocabulary("start starten")
_BOTH = re.compile(r"\b(?:ab(?:melden)? (?:oder|und) anmeld\w+|an(?:melden)? (?:oder|und) abmeld\w+|an oder ab)\b")

OTHER = Wish(intent=Intent.OTHER)
NOTHING = Wish(intent=Intent.NOTHING)


def wish_by_rules(text: str, county: County) -> Wish:
    """What a text asks for, OTHER if no rule knows. Where both leaving and anything else could be meant, it is leaving.

    What is not understood as a whole may have a part that is.
    """
    wish = _wish(text, county)
    if wish.intent not in _UNCLEAR:
        return wish
    parts = clauses_of(text)
    best = min([wish, *_of_parts(parts, county)], key=lambda each: _RANK.index(each.intent))
    return Wish(intent=Intent.ASK_START, topics=best.topics) if best.intent is Intent.START else best


def _of_parts(parts: Sequence[str], county: County) -> list[Wish]:
    """What each part means; a dog that has died is not to be signed off here."""
    said = [words_of(part) for part in parts]
    asks = any("?" in part for part in parts)
    spoken = [
        (part, words)
        for part, words in zip(parts, said, strict=True)
        if not set(words) <= ALONE | POLITE and not (asks and set(words) <= _HOLD_ON)
    ]
    wishes = [_wish(part, county, whole=False) for part, _ in spoken]
    if len(spoken) > 1 and not any(wish.intent is Intent.STOP for wish in wishes):
        others = any(FAMILY & set(words) for words in said)
        wishes = [_asked(wish, words, others=others) for wish, (_, words) in zip(wishes, spoken, strict=True)]
    unsure = _ABOUT_ONESELF if any(OTHER_BUSINESS & set(words) for words in said) else frozenset[Intent]()
    if sum(map(len, said)) > LONGEST_CRY:
        unsure |= {Intent.EMERGENCY}
    if unsure and _signs_off_somebody(said, wishes):
        wishes.append(Wish(intent=Intent.ASK_STOP))
        unsure -= {Intent.ASK_STOP}
    return [
        wish for wish in wishes if wish.intent in _RANK and wish.intent not in unsure and not _merely_named(wish, parts)
    ]


def _asked(wish: Wish, words: Sequence[str], *, others: bool) -> Wish:
    """ "Auf Ihrer Seite steht ein falscher Kommentar, bitte löschen": a word alone may be about what is beside it."""
    doubtful = others or len(set(words) - POLITE) == 1
    return Wish(intent=Intent.ASK_ERASE) if wish.intent is Intent.ERASE and doubtful else wish


def _signs_off_somebody(said: Sequence[Sequence[str]], wishes: Sequence[Wish]) -> bool:
    """ "Das Handy gehört einem Kind, bitte abmelden"; but not "mein Hund ist tot, ich möchte ihn abmelden"."""
    stops = any(wish.intent is Intent.STOP for wish in wishes)
    return stops and not any(_ANOTHER & set(words) for words in said)


def _merely_named(wish: Wish, parts: Sequence[str]) -> bool:
    """A topic or place in a list of words is no choice."""
    return wish.intent is Intent.ONLY and not any(ONLY & set(words_of(part)) for part in parts)


def _wish(text: str, county: County, *, whole: bool = True) -> Wish:
    """For joining nothing is overlooked, not even what looks like a name behind a greeting."""
    said = words_of(text)
    everything = unsigned(said, _KNOWN)
    wish = _unsigned_wish(everything, text, county, whole=whole)
    overlooked = set(said[len(everything) :]) - POLITE
    return Wish(intent=Intent.ASK_START, topics=wish.topics) if wish.intent is Intent.START and overlooked else wish


def _unsigned_wish(everything: Sequence[str], text: str, county: County, *, whole: bool) -> Wish:
    """A part of a text is not searched for slips: any word would do."""
    words = corrected(together([word for word in everything if word not in POLITE]))
    feedback = feedback_of(text)
    if feedback and not leaves(words_of(feedback.text), feedback.text):
        return feedback
    leaving = _leaving(words, everything, text, county)
    if leaving:
        return leaving
    if is_emergency(words, text):
        return Wish(intent=Intent.EMERGENCY)
    if phrases.AUTOMATIC.search(" ".join(everything)):
        return NOTHING
    return _asking(words, everything, text, county) or feedback or (_typed(words) if whole else OTHER)


def _leaving(words: Sequence[str], everything: Sequence[str], text: str, county: County) -> Wish | None:
    if erases(words):
        # "Wie lösche ich meine Daten?" is told how.
        return Wish(intent=Intent.ASK_ERASE if words[0] in _HOW else Intent.ERASE)
    if phrases.MISTAKEN.search(" ".join(words)) and not phrases.SILENCE.search(" ".join(words)):
        return Wish(intent=Intent.ASK_START)
    if _either(words):
        return Wish(intent=Intent.ASK_BOTH)
    pause = pause_of(everything, text) if not set(words) & STOP else None
    if pause:
        return pause
    choice = choice_of(words, text, county)
    if choice and choice.intent is not Intent.TOPICS:
        return choice
    return Wish(intent=Intent.STOP) if leaves(words, text) else None


def _asking(words: Sequence[str], everything: Sequence[str], text: str, county: County) -> Wish | None:
    if complains(words):
        return Wish(intent=Intent.TOPICS)
    if joins(words, text):
        return Wish(intent=Intent.START)
    asked = foreign.other(" ".join(words)) or foreign.other(" ".join(everything))
    if asked:
        return Wish(intent=asked)
    if phrases.JOINING.search(" ".join(words)) and may_be_joining(words):
        return Wish(intent=Intent.ASK_START)
    return question_of(words, text) or choice_of(words, text, county) or _doubtful(words, everything)


def _doubtful(words: Sequence[str], everything: Sequence[str]) -> Wish | None:
    """What is asked back about."""
    if declines(words):
        return Wish(intent=Intent.ASK_STOP)
    if may_be_joining(words):
        return Wish(intent=Intent.ASK_START)
    return Wish(intent=Intent.ASK_STOP) if may_be_leaving(everything) or may_be_leaving(words) else None


def _either(words: Sequence[str]) -> bool:
    """ "Anmelden oder abmelden?", "an- und abmelden"."""
    said = set(words)
    if said <= STOP | _STARTING and said & STOP and said & _STARTING:
        return True
    if _BOTH.search(" ".join(words)) and not said & OTHER_BUSINESS:
        return True
    return "oder" in words and bool(said & START) and wants_out(words)


def _typed(words: Sequence[str]) -> Wish:
    intent = Intent.ASK_BOTH if undecided(words) else meant(words)
    return Wish(intent=intent) if intent else OTHER
