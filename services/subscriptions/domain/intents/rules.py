"""Rules for certain cases: texts of known words and little else."""

import re
from collections.abc import Sequence

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents import foreign_phrases, phrases
from services.subscriptions.domain.intents.clauses import split_clauses, strip_signature
from services.subscriptions.domain.intents.emergency import MAX_EMERGENCY_WORDS, is_despair, is_emergency
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.pause_intent import build_pause, has_limit, is_endless, match_pause
from services.subscriptions.domain.intents.pause_limits import parse_limit
from services.subscriptions.domain.intents.question_intent import match_feedback, match_question, match_stars
from services.subscriptions.domain.intents.separable_verbs import join_separable_verb
from services.subscriptions.domain.intents.start_intent import is_start, is_start_denied, may_be_start
from services.subscriptions.domain.intents.stop_intent import (
    has_stop_word,
    is_complaint,
    is_erasure,
    is_erasure_doubtful,
    is_hypothetical,
    is_stop,
    may_be_stop,
)
from services.subscriptions.domain.intents.text import read_words, tokenize
from services.subscriptions.domain.intents.topic_selection import match_selection
from services.subscriptions.domain.intents.typing_errors import correct_stop_typos, is_near_both, match_typo
from services.subscriptions.domain.intents.vocabulary import (
    FAMILY,
    NEVER,
    NO,
    ONLY,
    OTHER_BUSINESS,
    POLITE,
    START,
    START_LIKE_WORDS,
    STOP,
    STOP_ALONE_WORDS,
    STOP_WORDS,
)

# Precedence of the intents of the parts of a longer text. START becomes a question, as the other parts are not
# understood.
_RANK = (
    Intent.ERASE, Intent.STOP, Intent.ASK_ERASE, Intent.PAUSE, Intent.EMERGENCY, Intent.REMOVE, Intent.ONLY, Intent.ADD,
    Intent.PLACES, Intent.RESUME, Intent.DATA, Intent.WHY, Intent.ASK_BOTH, Intent.ASK_STOP, Intent.START,
    Intent.ASK_START, Intent.TOPICS, Intent.HELP, Intent.OTHER,
)  # fmt: skip
_UNCLEAR = (Intent.OTHER, Intent.ASK_STOP)
_ABOUT_ONESELF = frozenset((Intent.STOP, Intent.START, Intent.ASK_START, Intent.ASK_STOP))
_ANOTHER = read_words("ihn es ihm er")
_KNOWN = STOP_WORDS | START_LIKE_WORDS | STOP_ALONE_WORDS | STOP | NO

# "Stop mal, gilt die Umleitung noch?"; whoever says a plain "Stop" is heard in any case.
_HOLD_ON = STOP | read_words("mal halt moment kurz warte")
_STARTING = read_words("start starten")
# "Start Stop, was denn nun?"
_WONDERING = read_words("""was denn nun oder jetzt hin her ja nein ach weiss ich nicht doch hilfe erst dann muss soll
    schreiben schreib und welches wie hae eins von beiden""")
_WITHOUT = re.compile(r"\b(?:ohne|außer|ausser)\b", re.IGNORECASE)
_JOINING = (Intent.START, Intent.ASK_START)
_OR = r"(?:oder|und|bzw|beziehungsweise)"
_BOTH = re.compile(rf"\b(?:ab(?:melden)? {_OR} anmeld\w+|an(?:melden)? {_OR} abmeld\w+|an {_OR} ab)\b")

OTHER = ParsedIntent(intent=Intent.OTHER)
NOTHING = ParsedIntent(intent=Intent.NOTHING)


def apply_rules(text: str, county: County) -> ParsedIntent:
    """Return the intent of a text; OTHER if no rule matches.

    If both a stop and something else could be meant, it is a stop. A text that matches no rule as a whole may have a
    part that does.
    """
    parsed = _match_text(text, county)
    if parsed.intent not in _UNCLEAR:
        return parsed
    if "?" in text and is_hypothetical(tokenize(text)):
        return parsed
    parts = split_clauses(text)
    best = min([parsed, *_match_parts(parts, county)], key=lambda each: _RANK.index(each.intent))
    if best.intent is Intent.PAUSE and not has_limit(best):
        return build_pause(parse_limit(tokenize(text), text))  # "Bin bis 12. Dezember weg. Bitte Pause"
    return ParsedIntent(intent=Intent.ASK_START, topics=best.topics) if best.intent is Intent.START else best


def has_joining_part(text: str, county: County) -> bool:
    """Return whether a part of a text is about joining: "Ich möchte mich anmelden, Jobs interessieren mich nicht"."""
    parts = [part for clause in split_clauses(text) or [text] for part in _WITHOUT.split(clause)]
    return any(_match_text(part, county, whole=False).intent in _JOINING for part in parts)


def _match_parts(parts: Sequence[str], county: County) -> list[ParsedIntent]:
    """Return the intents of the parts that count; a request to deregister a dog that has died does not."""
    said = [tokenize(part) for part in parts]
    asks = any("?" in part for part in parts)
    spoken = [
        (part, words)
        for part, words in zip(parts, said, strict=True)
        if not set(words) <= STOP_ALONE_WORDS | POLITE and not (asks and set(words) <= _HOLD_ON)
    ]
    wishes = [_match_text(part, county, whole=False) for part, _ in spoken]
    if len(spoken) > 1 and not any(wish.intent is Intent.STOP for wish in wishes):
        others = any(FAMILY & set(words) for words in said)
        wishes = [_soften_erasure(wish, words, others=others) for wish, (_, words) in zip(wishes, spoken, strict=True)]
    unsure = _ABOUT_ONESELF if any(OTHER_BUSINESS & set(words) for words in said) else frozenset[Intent]()
    if sum(map(len, said)) > MAX_EMERGENCY_WORDS:
        unsure |= {Intent.EMERGENCY}
    if unsure and _is_sign_off(said, wishes):
        wishes.append(ParsedIntent(intent=Intent.ASK_STOP))
        unsure -= {Intent.ASK_STOP}
    return [
        wish
        for wish in wishes
        if wish.intent in _RANK and wish.intent not in unsure and not _is_mere_mention(wish, parts)
    ]


def _soften_erasure(parsed: ParsedIntent, words: Sequence[str], *, others: bool) -> ParsedIntent:
    """Return ASK_ERASE for an erasure that may be about something else in the text.

    A single word may refer to the part beside it: "Auf Ihrer Seite steht ein falscher Kommentar, bitte löschen".
    """
    reported = words[-1] == "geloescht"  # "Neues Handy, alle Nachrichten gelöscht"
    doubtful = others or reported or len(set(words) - POLITE) == 1
    return ParsedIntent(intent=Intent.ASK_ERASE) if parsed.intent is Intent.ERASE and doubtful else parsed


def _is_sign_off(said: Sequence[Sequence[str]], wishes: Sequence[ParsedIntent]) -> bool:
    """Return whether a stop is about the number itself and not about anybody else.

    "Das Handy gehört einem Kind, bitte abmelden", but not "mein Hund ist tot, ich möchte ihn abmelden".
    """
    stops = any(wish.intent is Intent.STOP for wish in wishes)
    return stops and not any(_ANOTHER & set(words) for words in said)


def _is_mere_mention(parsed: ParsedIntent, parts: Sequence[str]) -> bool:
    """Return whether topics or places only occur among other words, which is no choice."""
    return parsed.intent is Intent.ONLY and not any(ONLY & set(tokenize(part)) for part in parts)


def _match_text(text: str, county: County, *, whole: bool = True) -> ParsedIntent:
    """Match a text without its signature; START becomes a question if any word was removed as a signature."""
    said = tokenize(text)
    everything = strip_signature(said, _KNOWN)
    parsed = _match_unsigned_text(everything, text, county, whole=whole)
    overlooked = set(said[len(everything) :]) - POLITE
    return (
        ParsedIntent(intent=Intent.ASK_START, topics=parsed.topics)
        if parsed.intent is Intent.START and overlooked
        else parsed
    )


def _match_unsigned_text(everything: Sequence[str], text: str, county: County, *, whole: bool) -> ParsedIntent:
    """Match a text without signature. A part of a text is not searched for typos: any word would match."""
    words = correct_stop_typos(join_separable_verb([word for word in everything if word not in POLITE]))
    feedback = match_feedback(text)
    if feedback and not is_stop(tokenize(feedback.text), feedback.text):
        return feedback
    leaving = None if is_despair(words) else _match_leaving(words, everything, text, county)
    if leaving:
        return leaving
    if is_emergency(words, text):
        return ParsedIntent(intent=Intent.EMERGENCY)
    if phrases.AUTOMATIC.search(" ".join(everything)):
        return NOTHING
    return (
        _match_request(words, everything, text, county)
        or feedback
        or match_stars(text)
        or (_match_typo(words) if whole else OTHER)
    )


def _match_leaving(words: Sequence[str], everything: Sequence[str], text: str, county: County) -> ParsedIntent | None:
    if is_erasure(words):
        # "Wie lösche ich meine Daten?" asks for instructions.
        return ParsedIntent(intent=Intent.ASK_ERASE if is_erasure_doubtful(text) else Intent.ERASE)
    if phrases.MISTAKEN.search(" ".join(words)) and not phrases.SILENCE.search(
        phrases.MISTAKEN.sub(" ", " ".join(words))
    ):
        return ParsedIntent(intent=Intent.ASK_START)
    if _is_start_or_stop(words):
        return ParsedIntent(intent=Intent.ASK_BOTH)
    pause = match_pause(everything, text) if not set(words) & STOP else None
    if pause and pause.intent is Intent.PAUSE and is_endless(everything):
        return ParsedIntent(intent=Intent.ASK_STOP)
    if pause:
        return pause
    choice = match_selection(words, text, county)
    if choice and choice.intent is not Intent.TOPICS:
        return choice
    return ParsedIntent(intent=Intent.STOP) if is_stop(words, text) else None


def _match_request(words: Sequence[str], everything: Sequence[str], text: str, county: County) -> ParsedIntent | None:
    if is_complaint(words):
        return ParsedIntent(intent=Intent.TOPICS)
    if is_start(words, text):
        return ParsedIntent(intent=Intent.START)
    asked = foreign_phrases.match_other_intent(" ".join(words)) or foreign_phrases.match_other_intent(
        " ".join(everything)
    )
    if asked:
        return ParsedIntent(intent=asked)
    if phrases.JOINING.search(" ".join(words)) and may_be_start(words):
        return ParsedIntent(intent=Intent.ASK_START)
    return match_question(words, text) or match_selection(words, text, county) or _match_doubt(words, everything)


def _match_doubt(words: Sequence[str], everything: Sequence[str]) -> ParsedIntent | None:
    """Return the question to ask, if any."""
    if is_start_denied(words):
        return ParsedIntent(intent=Intent.ASK_STOP)
    if may_be_start(words):
        return ParsedIntent(intent=Intent.ASK_START)
    return ParsedIntent(intent=Intent.ASK_STOP) if may_be_stop(everything) or may_be_stop(words) else None


def _is_start_or_stop(words: Sequence[str]) -> bool:
    """Return whether both are named: "Anmelden oder abmelden?", "an- und abmelden"."""
    said = set(words)
    undecided = not NEVER & said or "weiss" in said
    if said <= STOP | _STARTING | _WONDERING and said & STOP and said & _STARTING and undecided:
        return True
    if _BOTH.search(" ".join(words)) and not said & OTHER_BUSINESS:
        return True
    return "oder" in words and bool(said & START) and has_stop_word(words)


def _match_typo(words: Sequence[str]) -> ParsedIntent:
    intent = Intent.ASK_BOTH if is_near_both(words) else match_typo(words)
    return ParsedIntent(intent=intent) if intent else OTHER
