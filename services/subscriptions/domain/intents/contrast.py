"""Topics or places that a message refuses beside others that it wants: "Jobs raus, dafür Baustellen"."""

import re
from dataclasses import replace

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.predictions import find_mentions
from services.subscriptions.domain.intents.text import CitizenText, read_words
from services.subscriptions.domain.intents.topic_selection import collect_mentions
from services.subscriptions.domain.intents.vocabulary import FILLER_WORDS, NO, ONLY, STOP_WORDS

# "Jobs aber nicht mehr" is one part, "Baustellen aber keine Jobs" are two.
_PARTS = re.compile(
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


def resolve_contrast(choice: ParsedIntent, text: CitizenText, county: County) -> ParsedIntent:
    """Return a choice (ONLY, ADD or REMOVE) without what the text refuses, and without dropping what it wants.

    A text that refuses topics and wants others drops the former, since nothing about them may be sent; the others can
    be added after it. Where a refused place would be all that remains, the places are shown.
    """
    if _OTHERWISE.search(text.sentence):
        return choice
    parts = text.split_at(_PARTS)
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
