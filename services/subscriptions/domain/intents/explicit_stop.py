"""Explicit "Stop": obeyed or asked about, whatever else is said; no prediction overrules it."""

import re

from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.stop_intent import has_trailing_stop
from services.subscriptions.domain.intents.text import MAX_TEXT_LENGTH, read_words, tokenize
from services.subscriptions.domain.intents.vocabulary import ONLY, POLITE, STOP

_SENTENCE = re.compile(r"[^.!?;…\n\r]+[.!?;…]*")
# "Stop, das reicht jetzt"; the words after the comma may limit it to a topic.
_FIRST = re.compile(r"\W*(?:bitte\s+)?(?:stop|stopp)(?:\s+bitte)?\s*[,:;]\s", re.IGNORECASE)
_MAY_SURROUND = POLITE | read_words("""ja nein jetzt sofort endlich ich sage sag bye tschuess
    ciao und noch trotzdem einen schoenes schoenen schoene tag abend woche wochenende sonntag feiertage alles gute
    wuensche ihnen euch allen fuer auch""")
_SETTLED = frozenset((Intent.STOP, Intent.ERASE, Intent.ASK_ERASE, Intent.ASK_BOTH, Intent.EMERGENCY))
_STARTING = frozenset((Intent.START, Intent.ASK_START))
# Something else was requested as clearly: only the person knows which of the two is meant.
_RIVALS = frozenset((Intent.PAUSE, Intent.RESUME, Intent.ONLY, Intent.ADD, Intent.REMOVE))
# "Baustellen stop": the last word refers to the word before it.
_WITH_OBJECT = frozenset((Intent.ONLY, Intent.REMOVE, Intent.ASK_STOP))


def apply_explicit_stop(parsed: ParsedIntent, text: str) -> ParsedIntent:
    """Return the final intent: `parsed`, unless a plain "Stop" in the text stops or requires a question."""
    if parsed.intent in _SETTLED:
        return parsed
    said_aside = has_trailing_stop(text) or _FIRST.match(text)
    if not _is_a_sentence(text) and (not said_aside or _is_about_a_part(parsed, text)):
        return parsed
    if parsed.intent in _STARTING:
        return ParsedIntent(intent=Intent.ASK_BOTH)
    rival = parsed.intent in _RIVALS or bool(parsed.places) or parsed.every_place
    return ParsedIntent(intent=Intent.ASK_STOP if rival else Intent.STOP)


def _is_about_a_part(parsed: ParsedIntent, text: str) -> bool:
    """Return whether the stop refers to a topic: "Baustellen stop", but not "nur Baustellen stop"."""
    return parsed.intent in _WITH_OBJECT and not ONLY & set(tokenize(text))


def _is_a_sentence(text: str) -> bool:
    """Return whether a sentence holds only "Stop" and polite words, and is no question within a longer text."""
    sentences = [(found[0], set(tokenize(found[0]))) for found in _SENTENCE.finditer(text[:MAX_TEXT_LENGTH])]
    spoken = [(sentence, words) for sentence, words in sentences if words]
    return any(
        words & STOP and words <= STOP | _MAY_SURROUND and (len(spoken) == 1 or not sentence.rstrip().endswith("?"))
        for sentence, words in spoken
    )
