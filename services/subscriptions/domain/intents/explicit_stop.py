"""Explicit "Stop": obeyed or asked about, whatever else is said; no prediction overrules it."""

import re

from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.separable_verbs import join_separable_verb
from services.subscriptions.domain.intents.stop_intent import has_trailing_stop
from services.subscriptions.domain.intents.text import MAX_TEXT_LENGTH, SENTENCE, read_words, tokenize
from services.subscriptions.domain.intents.typing_errors import correct_stop_typos
from services.subscriptions.domain.intents.vocabulary import (
    FILLER_WORDS,
    LEAVE_US,
    NEVER,
    NO,
    ONLY,
    OTHER_BUSINESS,
    POLITE,
    STOP,
    STOP_WORDS,
)

# "Stop, das reicht jetzt"; the words after the comma may limit it to a topic.
_FIRST = re.compile(r"\W*(?:bitte\s+)?(?:stop|stopp)(?:\s+bitte)?\s*[,:;]\s", re.IGNORECASE)
_MAY_SURROUND = POLITE | read_words("""ja nein jetzt sofort endlich ich sage sag bye tschuess
    ciao und noch trotzdem einen schoenes schoenen schoene tag abend woche wochenende sonntag feiertage alles gute
    wuensche ihnen euch allen zusammen fuer auch""")
_SETTLED = frozenset((Intent.STOP, Intent.ERASE, Intent.ASK_ERASE, Intent.ASK_BOTH, Intent.EMERGENCY))
_START = read_words("start starten")
_STARTING = frozenset((Intent.START, Intent.ASK_START))
# Something else was requested as clearly: only the person knows which of the two is meant.
_RIVALS = frozenset((Intent.PAUSE, Intent.RESUME, Intent.ONLY, Intent.ADD, Intent.REMOVE))
# "Baustellen stop": the last word refers to the word before it.
_WITH_OBJECT = frozenset((Intent.ONLY, Intent.REMOVE, Intent.ASK_STOP))
# "Meld mich mal ab, und wann macht das Hallenbad auf?": a clause of its own, about oneself.
_CLAUSE = re.compile(
    r"[,:]\s+|\s[–—-]+\s|\s+und\s+(?=(?:wann|wie|wo|wer|was|warum|woher|sag\w*|ist|gibt)\b)", re.IGNORECASE
)
_TOLD = re.compile(
    r"\b(?:(?:melden?|meldet|meld|tragen?|tragt|trag)(?: sie)? (?:mich|uns|meine nummer)\b.*\b(?:ab|aus)|"
    r"(?:nehmt|nehm|nimm|nehmen|streich\w*|entfern\w*|schmeiss\w*|werft|werfen|loesch\w*)(?: sie)? "
    r"(?:mich|uns|meine nummer)\b.*\b(?:raus|heraus|runter|(?:aus|von) (?:\w+ )?(?:verteiler|liste|gruppe))|"
    r"raus (?:mit (?:mir|uns) )?aus (?:\w+ )?(?:verteiler|liste|gruppe|newsletter)(?! (?:der|des)))\b"
)
# "Bitte keine Nachrichten mehr", but not "Ich bekomme keine Nachrichten mehr"
_NO_MORE = re.compile(
    r"\b(?:bitte|will|moechte|wollen|moechten)\b.*\b(?:keine (?:weiteren )?(?:nachrichten|meldungen|infos) mehr|"
    r"(?:nichts|nix) mehr (?:schicken|senden|schreiben|haben|bekommen|kriegen|erhalten))\b"
)
_AROUND = (
    FILLER_WORDS
    | STOP_WORDS
    | read_words("""raus heraus runter man dalli egal ach bloss ruckzuck trag tragt meld streich streicht schmeisst
    werft loescht loesch""")
) - NEVER
_UNSURE = read_words("wenn falls sobald bevor ob oder vielleicht eventuell irgendwann sagt sagte meint meinte")
_EXCUSES = read_words("krank kommen teilnehmen")  # "Bin krank und kann nicht kommen, melde mich ab"
# What the question beside a wish to leave may have been taken for.
_BESIDE = frozenset((Intent.OTHER, Intent.HELP, Intent.WHY, Intent.TOPICS, Intent.DATA, Intent.NOTHING, Intent.FEEDBACK,
    Intent.ASK_STOP, Intent.ASK_START))  # fmt: skip


def apply_explicit_stop(parsed: ParsedIntent, text: str) -> ParsedIntent:
    """Return the final intent: `parsed`, unless a plain "Stop" in the text stops or requires a question."""
    if parsed.intent in _SETTLED:
        return parsed
    said_aside = has_trailing_stop(text) or _FIRST.match(text)
    if not _is_a_sentence(text, STOP) and (not said_aside or _is_about_a_part(parsed, text)):
        return _apply_plain_clause(parsed, text)
    if parsed.intent in _STARTING:
        return ParsedIntent(intent=Intent.ASK_BOTH)
    rival = parsed.intent in _RIVALS or bool(parsed.places) or parsed.every_place
    return ParsedIntent(intent=Intent.ASK_STOP if rival else Intent.STOP)


def _apply_plain_clause(parsed: ParsedIntent, text: str) -> ParsedIntent:
    """Return STOP if a clause tells us to take the sender off the list, whatever the others ask.

    It may be about something else that is named: "Mein Hund ist gestorben. Bitte abmelden." A "Start" is asked about.
    """
    if parsed.intent not in _BESIDE:
        return parsed
    sentences = SENTENCE.findall(text[:MAX_TEXT_LENGTH])
    told = any(map(_tells_to_leave, sentences))
    if not told and not any(map(_is_only_leaving, sentences)):
        joins = parsed.intent is Intent.OTHER and _is_a_sentence(text, _START)
        return ParsedIntent(intent=Intent.ASK_START) if joins else parsed
    if parsed.intent is Intent.ASK_START:
        return ParsedIntent(intent=Intent.ASK_BOTH)
    sure = not (OTHER_BUSINESS | _EXCUSES) & set(tokenize(text)) or (told and "?" in text)
    return ParsedIntent(intent=Intent.STOP if sure else Intent.ASK_STOP)


def _tells_to_leave(sentence: str) -> bool:
    """Return whether a clause tells us to take the sender off the list: "Meld mich ab, und wo ist der Markt?"."""
    clauses = _CLAUSE.split(sentence)
    said = [tokenize(clause) for clause in (clauses[:-1] if _asks(sentence) else clauses)]
    return not _UNSURE & set(tokenize(sentence)) and any(
        (set(words) <= _AROUND and _TOLD.search(" ".join(word for word in words if word not in POLITE)))
        or (set(words) <= _AROUND | {"keine"} and _NO_MORE.search(" ".join(words)))
        for words in said
    )


def _is_only_leaving(sentence: str) -> bool:
    """Return whether a sentence, or its polite first clause, holds a word of leaving and nothing else.

    As in "Was kostet das? Dann bitte kündigen." and "Abmelden bitte, und wo ist der Markt?".
    """
    first = set(tokenize(_CLAUSE.split(sentence)[0]))
    words = set(correct_stop_typos(join_separable_verb([word for word in tokenize(sentence) if word not in POLITE])))
    alone = words & LEAVE_US and words <= _AROUND - _UNSURE - NO - {"noch"} and not _asks(sentence)
    return bool(alone or ("bitte" in first and first <= LEAVE_US | POLITE and first & LEAVE_US))


def _is_about_a_part(parsed: ParsedIntent, text: str) -> bool:
    """Return whether the stop refers to a topic: "Baustellen stop", but not "nur Baustellen stop"."""
    return parsed.intent in _WITH_OBJECT and not ONLY & set(tokenize(text))


def _is_a_sentence(text: str, wanted: frozenset[str]) -> bool:
    """Return whether a sentence holds only a wanted and polite words, and is no question within a longer text."""
    sentences = [(found[0], set(tokenize(found[0]))) for found in SENTENCE.finditer(text[:MAX_TEXT_LENGTH])]
    spoken = [(sentence, words) for sentence, words in sentences if words]
    return any(
        words & wanted and words <= wanted | _MAY_SURROUND and (len(spoken) == 1 or not _asks(sentence))
        for sentence, words in spoken
    )


def _asks(sentence: str) -> bool:
    return sentence.rstrip().endswith("?")
