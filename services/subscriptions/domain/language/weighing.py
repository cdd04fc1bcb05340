"""What the rules say against what examples make probable. Only the rules ever subscribe or erase anybody."""

import re
from collections.abc import Callable, Sequence

from services.subscriptions.domain.county import County
from services.subscriptions.domain.language.asking import LONGEST_FEEDBACK
from services.subscriptions.domain.language.guessing import Guess
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.leaving import stays, wants_out
from services.subscriptions.domain.language.moments import limit_of
from services.subscriptions.domain.language.naming import Named, named
from services.subscriptions.domain.language.phrases import MISTAKEN
from services.subscriptions.domain.language.spelling import vocabulary, words_of
from services.subscriptions.domain.language.vocabulary import LEAVE_US, NO, ONLY, OTHER_BUSINESS

# From which chance on a guess is taken where no rule knows anything, against a rule, against a weighty one, and against
# a rule that says that somebody leaves.
SOME, PROBABLE, CERTAIN, SURE = 0.25, 0.5, 0.7, 0.9
# From here on it may be that somebody wants to leave, and is asked.
LEAVING = 0.2
DOUBT = 0.4
# And from here on one word may be either.
EITHER = 0.05
# Texts this short are what the rules are for.
SHORT = 2
# And in these a word of leaving is about little else.
BRIEF = 6

_ASKING = frozenset((Intent.ASK_START, Intent.ASK_STOP))
# What is said with the words of leaving and does not mean it: a break, some topics, both, an answering machine.
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
# Whoever says that somebody has died speaks of the owner of the number.
_OF_OTHERS = OTHER_BUSINESS - vocabulary("verstorben verstorbenen")
_STAYING = re.compile(r"\bnicht (?:stopp?\w*|abmelde\w*|abbestell\w*|loesch\w*|kuendig\w*|aufhoer\w*)\b")
_ABOUT_TOPICS = (Intent.ONLY, Intent.ADD, Intent.REMOVE)
_ALSO = vocabulary("auch noch dazu zusaetzlich ausserdem also too ok")
_LEAVE = (Intent.STOP, Intent.ERASE, Intent.ASK_STOP)
_COMING_OR_GOING = frozenset((*_LEAVE, Intent.START, Intent.ASK_START, Intent.RESUME))


def weighed(rule: Wish, guess: Guess, text: str, county: County) -> Wish:
    """The one wish of a text that `rule` was found for, and whose examples say `guess`."""
    words = words_of(text)
    if rule.intent is guess.intent and rule.intent in _ABOUT_TOPICS and _has_two_sides(named(text, county)):
        return _guessed(guess, words, text, county)
    agreed = rule.intent in (guess.intent, Intent.START) or {rule.intent, guess.intent} == _JOINING
    mistaken = rule.intent is Intent.ASK_START and MISTAKEN.search(" ".join(words))
    # "Abmeldung, was denn sonst", "Abmeldung warum dauert das so lange"
    plain = guess.intent not in _NEAR_STOP and len(words) <= BRIEF and "?" not in text and _says_so(rule, words)
    if agreed or mistaken or plain or not words or not _outweighs(guess, rule, words):
        return _kept(rule, guess, words)
    wish = _guessed(guess, words, text, county)
    # Topics that nobody named are no reason to disbelieve a rule.
    unfounded = wish.intent is Intent.TOPICS and guess.intent is not Intent.TOPICS and rule.intent is not Intent.OTHER
    return rule if unfounded else wish


def _has_two_sides(about: Named) -> bool:
    """ "Stoppen Sie die Baustellen. Die Sperrungen brauche ich." """
    return bool(about.wanted and about.unwanted)


def _outweighs(guess: Guess, rule: Wish, words: Sequence[str]) -> bool:
    """Leaving is believed most readily, and whatever might be it is not overheard."""
    short = len(words) <= SHORT
    if guess.intent is Intent.NOTHING:
        return guess.chance >= SURE  # whoever is taken for a machine gets no answer at all
    if rule.intent is Intent.OTHER:
        return guess.chance >= SOME
    if rule.intent in (Intent.STOP, Intent.ASK_START) and guess.intent is Intent.ASK_BOTH and NO & set(words):
        return False  # "Nicht anmelden, abmelden!" is clear enough
    if short and rule.intent not in _ASKING:
        return False
    if rule.intent is Intent.STOP and guess.intent in _COMING:
        back = _BACK.search(" ".join(words))
        denied = wants_out(words) or NO & set(words)
        return guess.chance >= (PROBABLE if back else SURE) and bool(back or not denied)
    if rule.intent is Intent.STOP and guess.intent is Intent.PLACES and not ONLY & set(words):
        return False  # "Wir wohnen nicht mehr in Grasberg, bitte nichts mehr schicken"
    if rule.intent is Intent.EMERGENCY or (rule.intent is Intent.STOP and guess.intent not in _NEAR_LEAVING):
        return guess.chance >= SURE
    return guess.chance >= (CERTAIN if short or rule.intent is Intent.ASK_BOTH else PROBABLE)


def _says_so(rule: Wish, words: Sequence[str]) -> bool:
    """Return whether a rule has found a word of leaving that is not denied; where it only doubts, as the first word."""
    if rule.intent is Intent.ASK_STOP:
        return bool(LEAVE_US & set(words[:1]))
    return rule.intent is Intent.STOP and wants_out(words)


def _kept(rule: Wish, guess: Guess, words: Sequence[str]) -> Wish:
    """Nobody who may want to leave is told that this is no contact channel."""
    doubtful = rule.intent is Intent.OTHER and guess.chance_of(*_LEAVE) >= LEAVING
    return Wish(intent=Intent.ASK_STOP) if doubtful and len(words) > 1 and not stays(words) else rule


def _guessed(guess: Guess, words: Sequence[str], text: str, county: County) -> Wish:
    doubt = _doubt(guess, words)
    if (doubt or guess.intent in _COMING_OR_GOING) and stays(words):
        return Wish(intent=Intent.OTHER)
    if doubt and guess.intent not in _LEAVE:
        return Wish(intent=doubt)
    if len(words) == 1 and guess.intent in _COMING_OR_GOING:
        return Wish(intent=_one_word(guess))
    if guess.intent is Intent.FEEDBACK and _STAYING.search(" ".join(words)):
        return Wish(intent=Intent.OTHER)
    if guess.intent is Intent.ERASE:
        return Wish(intent=Intent.ASK_ERASE)
    if guess.intent is Intent.STOP and guess.chance < (SURE if _OF_OTHERS & set(words) else CERTAIN):
        return Wish(intent=Intent.ASK_STOP)
    about = named(text, county)
    if guess.intent is Intent.ONLY and guess.chance < CERTAIN and _ALSO & set(words) and not ONLY & set(words):
        return _add(about, text)
    make = _WISHES.get(guess.intent)
    return make(about, text) if make else Wish(intent=guess.intent)


def _doubt(guess: Guess, words: Sequence[str]) -> Intent | None:
    """Return what is asked where nothing is probable and it may be that somebody leaves."""
    leaving = guess.chance_of(*_LEAVE)
    if guess.chance >= DOUBT or leaving < LEAVING:
        return None
    joining = guess.chance_of(*_COMING) > 2 * leaving and not wants_out(words)
    return Intent.ASK_START if joining else Intent.ASK_STOP


def _one_word(guess: Guess) -> Intent:
    """A single word may be any slip: whether it comes near to leaving or to joining, or to both, is asked about."""
    leaves, joins = guess.chance_of(*_LEAVE), guess.chance_of(Intent.START, Intent.ASK_START)
    if min(leaves, joins) >= EITHER:
        return Intent.ASK_BOTH
    return Intent.ASK_STOP if leaves > joins else Intent.ASK_START


def _start(about: Named, text: str) -> Wish:
    return Wish(intent=Intent.ASK_START, topics=about.wanted)


def _only(about: Named, text: str) -> Wish:
    wanted = about.topics if about.rest is False else about.wanted
    if wanted or about.places:
        return Wish(intent=Intent.ONLY, topics=wanted, places=about.places)
    return _remove(about, text)


def _add(about: Named, text: str) -> Wish:
    topics = (about.wanted - about.had) or about.topics
    return Wish(intent=Intent.ADD, topics=topics) if topics else Wish(intent=Intent.TOPICS)


def _remove(about: Named, text: str) -> Wish:
    if about.rest is False and about.topics:
        return Wish(intent=Intent.ONLY, topics=about.topics, places=about.places)
    topics = about.unwanted or (about.wanted - about.kept) or about.wanted
    return Wish(intent=Intent.REMOVE, topics=topics) if topics else Wish(intent=Intent.TOPICS)


def _places(about: Named, text: str) -> Wish:
    return Wish(intent=Intent.ONLY, places=about.places) if about.places else Wish(intent=Intent.PLACES)


def _pause(about: Named, text: str) -> Wish:
    limit = limit_of(words_of(text), text)
    return Wish(intent=Intent.PAUSE, days=limit.days, until=limit.until, weekday=limit.weekday, easter=limit.easter)


def _feedback(about: Named, text: str) -> Wish:
    return Wish(intent=Intent.FEEDBACK, text=text.strip()[:LONGEST_FEEDBACK])


_WISHES: dict[Intent, Callable[[Named, str], Wish]] = {
    Intent.START: _start,
    Intent.ASK_START: _start,
    Intent.ONLY: _only,
    Intent.ADD: _add,
    Intent.REMOVE: _remove,
    Intent.PLACES: _places,
    Intent.PAUSE: _pause,
    Intent.FEEDBACK: _feedback,
}
