"""Clauses that correct what the whole text seems to request: a plain unsubscription, or a refusal beside a wish."""

import re
from collections.abc import Sequence
from dataclasses import replace

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.predictions import find_mentions
from services.subscriptions.domain.intents.start_intent import correct_stop_typos
from services.subscriptions.domain.intents.text import CitizenText, Phrase, read_words
from services.subscriptions.domain.intents.topic_selection import collect_mentions
from services.subscriptions.domain.intents.vocabulary import (
    FILLER_WORDS,
    LEAVE_US,
    NEVER,
    NO,
    ONLY,
    OTHER_BUSINESS,
    POLITE,
    STOP_WORDS,
)

_MAY_SURROUND = POLITE | read_words("""ja nein jetzt sofort endlich ich sage sag bye tschuess ciao noch trotzdem einen
    schoenes woche wochenende sonntag feiertage alles wuensche ihnen euch allen zusammen fuer auch""")
_START = read_words("start starten")
# "Meld mich mal ab, und wann macht das Hallenbad auf?": a clause of its own, about oneself.
_CLAUSE = re.compile(
    r"[,:]\s+|\s[–—-]+\s|\s+und\s+(?=(?:wann|wie|wo|wer|was|warum|woher|sag\w*|ist|gibt)\b)", re.IGNORECASE
)
_REQUESTED = re.compile(
    r"\b(?:(?:melden?|meldet|meld|tragen?|tragt|trag)(?: sie)? (?:mich|uns|meine nummer)\b.*\b(?:ab|aus)|"
    r"(?:nehmt|nehm|nimm|nehmen|streich\w*|entfern\w*|schmeiss\w*|werft|werfen|loesch\w*)(?: sie)? "
    r"(?:mich|uns|meine nummer)\b.*\b(?:raus|heraus|runter|(?:aus|von) (?:\w+ )?(?:verteiler|liste|gruppe))|"
    r"raus (?:mit (?:mir|uns) )?aus (?:\w+ )?(?:verteiler|liste|gruppe|newsletter)(?! (?:der|des)))\b"
)
# "Bitte keine Nachrichten mehr" and "Keine Nachrichten mehr bitte", but not "Ich bekomme keine Nachrichten mehr"
_NO_MORE = re.compile(
    r"\b(?:bitte|will|moechte|wollen|moechten)\b.*\b(?:keine (?:weiteren )?(?:nachrichten|meldungen|infos) mehr|"
    r"(?:nichts|nix) mehr (?:schicken|senden|schreiben|haben|bekommen|kriegen|erhalten))\b|"
    r"^keine (?:weiteren )?(?:nachrichten|meldungen|infos) mehr bitte$"
)
_AROUND = (
    FILLER_WORDS
    | STOP_WORDS
    | read_words("""raus heraus runter man dalli egal ach bloss ruckzuck trag tragt meld streich streicht schmeisst
    werft loescht loesch""")
) - NEVER
UNSURE = read_words("wenn falls sobald bevor ob oder vielleicht eventuell irgendwann sagt sagte meint meinte")
_AROUND_LEAVING = _AROUND - UNSURE - NO - {"noch"}
# "Baustellen, Jobs, Märkte, alles bitte abbestellen": this is about everything, despite the topics before it.
_ENDS = (
    r"(?:abmelden|abmeldung|abbestellen|austragen|kuendigen|beenden|stopp?|raus|weg|abschalten|ausschalten|einstellen|"
    r"abstellen|aus|schluss|aufhoeren|abbestellt)"
)
_WHOLE = r"(?:ganz|komplett|voellig|vollstaendig|gaenzlich|alles|allem)"
_EVERYTHING = re.compile(
    rf"\b(?:{_WHOLE}|nur) (?:\w+ ){{0,3}}{_ENDS}\b|\b{_ENDS} (?:\w+ )?{_WHOLE}\b|"
    r"\b(?:gar|ueberhaupt|von euch|von ihnen) (?:nichts|nix) mehr\b"
)
_ALL_OR_ME = read_words("alles allem nichts nix mich uns abmelden")
_ALL_GONE = read_words("nichts nix soll kann muss macht mach weg aus schluss ende aufhoeren abbestellt")
_THE_REST_TOO = re.compile(
    r"^(?:und )?(?:(?:alles|das) andere|alle anderen|der rest) (?:\w+ ){0,2}auch (?:nicht|nix|weg|raus)\b"
)
# "Nicht nur die Jobs abbestellen, sondern alles"
_NOT_ONLY_A_PART = re.compile(rf"\bnicht (?:nur|bloss) (?:\w+ ){{1,4}}{_ENDS} sondern (?:\w+ )?{_WHOLE}\b")
# "Ganz abmelden wollte ich mich nicht, lasst mir die Baustellen": a part should remain.
_PARTLY = re.compile(
    rf"\b(?:(?<!nicht )nur (?!wegen\b|{_ENDS}\b)|(?<!nicht )bloss|lediglich|ausschliesslich|ausser|bis auf|"
    r"behalte\w*|bleib\w*|weiter\w*|ausgenommen|lass\w*|reich\w*|genueg\w*|except|only|but)"
)
_PARTS = re.compile(r"[.!?;,\n\r]+\s*|\s[–—-]+\s|\s+(?:aber|sondern|also|deshalb|deswegen|daher|und)\s+", re.IGNORECASE)
_OF_A_PART = frozenset((Intent.ONLY, Intent.REMOVE, Intent.PLACES, Intent.PAUSE, Intent.ASK_STOP))
_EXCUSES = read_words("krank kommen teilnehmen")  # "Bin krank und kann nicht kommen, melde mich ab"
# Possible intents of a question next to a request to leave.
_BESIDE = frozenset((Intent.OTHER, Intent.HELP, Intent.WHY, Intent.TOPICS, Intent.DATA, Intent.NOTHING, Intent.FEEDBACK,
    Intent.ASK_STOP, Intent.ASK_START))  # fmt: skip
# "Jobs aber nicht mehr" is one part, "Baustellen aber keine Jobs" are two.
_SIDES = re.compile(
    r"[.,;!?()\n]+|\s[–—-]+\s|\bund\b|"
    r"(?=\b(?:aber(?! (?:nicht|schon|gerne?|ja|nein)\b)|sondern|dafür|dafuer|stattdessen)\b)",
    re.IGNORECASE,
)
_REFUSING = NO | STOP_WORDS | read_words("nein weg raus streichen abwaehlen loeschen entfernen")
_WANTING = ONLY | read_words("""ja gern gerne rein drin dazu dazunehmen hinzu hinzufuegen behalten bleibt bleiben auch
    dafuer stattdessen sondern""")
_WANTED = re.compile(r"(?<!\bich )\bschon$")
# "Alles außer Stellen", "nicht nur Jobs", "Jobs statt Feste", "Jobs, mehr nicht" refuse or want in other ways.
_OTHERWISE = re.compile(
    r"\b(?:ausser|bis auf|(?:an)?statt|nicht (?:nur|bloss)|noch nicht|mehr nicht|sonst|warum|wieso)\b"
)
_ONLY_NOT = re.compile(r"\b(?:nur|bloss) (?:nicht|ohne|kein\w*)\b")


def apply_plain_clause(parsed: ParsedIntent, text: CitizenText) -> ParsedIntent:
    """Return STOP if a clause requests to unsubscribe the sender, whatever the other clauses ask.

    Ask about a "Start", and if it may be about something else: "Mein Hund ist gestorben. Bitte abmelden."
    """
    if parsed.intent in _OF_A_PART and not _is_about_a_part(parsed, text) and _is_leaving_altogether(text):
        return ParsedIntent(intent=Intent.STOP)
    if parsed.intent not in _BESIDE:
        return parsed
    sentences = [(sentence, sentence.split_at(_CLAUSE) or [sentence]) for sentence in text.sentences]
    is_requested = any(_has_leaving_request(sentence, clauses) for sentence, clauses in sentences)
    if not is_requested and not any(_is_only_leaving(sentence, clauses[0]) for sentence, clauses in sentences):
        joins = parsed.intent is Intent.OTHER and has_lone_word(text, _START)
        return ParsedIntent(intent=Intent.ASK_START) if joins else parsed
    if parsed.intent is Intent.ASK_START:
        return ParsedIntent(intent=Intent.ASK_BOTH)
    sure = not (OTHER_BUSINESS | _EXCUSES) & text.word_set or (is_requested and text.asks)
    return ParsedIntent(intent=Intent.STOP if sure else Intent.ASK_STOP)


def _is_about_a_part(parsed: ParsedIntent, text: CitizenText) -> bool:
    """Return whether it may mean less: "Urlaub, alles aus", "die Jobs, bitte ganz raus", "Hund tot, ganz abmelden"."""
    if parsed.intent is Intent.ASK_STOP:
        return bool((OTHER_BUSINESS | _EXCUSES) & text.word_set)
    if parsed.intent is Intent.PAUSE:
        return parsed.has_limit or not NO & text.word_set
    return parsed.intent is Intent.REMOVE and len(parsed.topics) == 1 and not _ALL_OR_ME & text.word_set


def _is_leaving_altogether(text: CitizenText) -> bool:
    """Return whether a clause ends all messages and none keeps any: "Bin weggezogen, bitte ganz abmelden"."""
    parts = text.split_at(_PARTS)
    if text.asks or {"wenn", "falls"} & text.word_set or _PARTLY.search(text.sentence):
        return False
    return bool(_NOT_ONLY_A_PART.search(text.sentence)) or any(
        (
            part.word_set - _ALL_GONE <= _AROUND - UNSURE
            and (_EVERYTHING.search(part.sentence) or _REQUESTED.search(part.sentence))
        )
        or _THE_REST_TOO.search(part.sentence)
        for part in parts
    )


def _has_leaving_request(sentence: CitizenText, clauses: Sequence[CitizenText]) -> bool:
    """Return whether a clause requests to unsubscribe the sender: "Meld mich ab, und wo ist der Markt?"."""
    if UNSURE & sentence.word_set:
        return False
    return any(
        (clause.word_set <= _AROUND and _REQUESTED.search(_strip_polite_words(clause).sentence))
        or (clause.word_set - {"keine"} <= _AROUND and _NO_MORE.search(clause.sentence))
        for clause in (clauses[:-1] if sentence.is_question else clauses)
    )


def _is_only_leaving(sentence: CitizenText, first: CitizenText) -> bool:
    """Return whether a sentence, or its polite first clause, contains a word of leaving and nothing else.

    For example "Was kostet das? Dann bitte kündigen." and "Abmelden bitte, und wo ist der Markt?".
    """
    words = set(correct_stop_typos(_strip_polite_words(sentence).joined))
    alone = words & LEAVE_US and words <= _AROUND_LEAVING and not sentence.is_question
    politely = "bitte" in first.word_set and first.word_set <= LEAVE_US | POLITE and first.word_set & LEAVE_US
    return bool(alone or politely)


def _strip_polite_words(text: CitizenText) -> Phrase:
    return Phrase([word for word in text.words if word not in POLITE])


def has_lone_word(text: CitizenText, words: frozenset[str]) -> bool:
    """Return whether a sentence is one of `words` with polite words only, and not a question in a longer text."""
    sentences = [sentence for sentence in text.sentences if sentence.words]
    statements = [sentence for sentence in sentences if len(sentences) == 1 or not sentence.is_question]
    return any(part.word_set & words and part.word_set <= words | _MAY_SURROUND for part in statements)


def resolve_contrast(choice: ParsedIntent, text: CitizenText, county: County) -> ParsedIntent:
    """Return a choice (ONLY, ADD or REMOVE) without what the text refuses, and without dropping what it wants.

    A text that refuses topics and wants others drops the former, since nothing about them may be sent; the others can
    be added after it. Where a refused place would be all that remains, the places are shown.
    """
    if _OTHERWISE.search(text.sentence):
        return choice
    parts = text.split_at(_SIDES)
    if choice.places and not choice.topics and choice.intent is not Intent.REMOVE:
        places = choice.places - _find_refused_places(parts, county)
        return replace(choice, places=places, intent=choice.intent if places else Intent.PLACES)
    wanted, refused = _split_topics(parts, county)
    if not (wanted and refused):
        return choice
    if choice.intent is Intent.ONLY:
        return replace(choice, topics=choice.topics - refused) if choice.topics - refused else choice
    is_confused = choice.intent is Intent.ADD or choice.topics & wanted
    return ParsedIntent(intent=Intent.REMOVE, topics=refused) if is_confused else choice


def _split_topics(parts: list[CitizenText], county: County) -> tuple[frozenset[str], frozenset[str]]:
    """Return the wanted and the refused topics; a part without a word for either is like the one before it."""
    is_refused: bool | None = None
    unclear: set[str] = set()
    wanted: set[str] = set()
    refused: set[str] = set()
    for part in parts:
        topics = find_mentions(part.words, county)[0]
        if not topics:
            continue
        is_wanted = part.word_set & _WANTING or _WANTED.search(part.sentence)
        is_refused = True if part.word_set & _REFUSING else False if is_wanted else is_refused
        if is_refused is None:
            unclear |= topics
            continue
        (refused if is_refused else wanted).update(topics | unclear)
        unclear = set()
    return (frozenset(), frozenset()) if wanted & refused else (frozenset(wanted), frozenset(refused))


def _find_refused_places(parts: list[CitizenText], county: County) -> frozenset[str]:
    """Return the places beside which a part has nothing but a refusal, and which no other part names."""
    kept: set[str] = set()
    refused: set[str] = set()
    for part in parts:
        mentions = collect_mentions(part.words, county)
        rest = mentions.rest
        is_refusal = rest & _REFUSING and rest <= _REFUSING | FILLER_WORDS | ONLY
        is_refused = is_refusal and (not rest & ONLY or _ONLY_NOT.search(part.sentence))
        (refused if is_refused else kept).update(mentions.places)
    return frozenset(refused - kept)
