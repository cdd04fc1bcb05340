"""Which topics and municipalities somebody names, and what is to become of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rapidfuzz.distance import OSA

from services.subscriptions.domain.county import County
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.spelling import vocabulary, words_of
from services.subscriptions.domain.language.vocabulary import ALONE, AROUND, LEAVE, NO

LONG_WORD = 7
SIMILAR = 0.85

_ONLY = vocabulary("nur only ausschliesslich lediglich bloss sadece tylko тільки только فقط")
_ADD = vocabulary("dazu zusaetzlich plus hinzufuegen hinzu ebenfalls auch zuwaehlen hinzunehmen noch ergaenzen")
_NOT = NO | vocabulary("ohne ausser minus abwaehlen weg raus aus keine")
_ALL = vocabulary("alle alles all hepsi wszystkie все все")
_START = vocabulary("start abo abonnieren abonniere subscribe")
_LINK = vocabulary("""haette und oder sowie thema themen nummer punkt gemeinde gemeinden ort orte stadt samtgemeinde
    and sie mir fuer im bereich rubrik wahl waehle auswahl zum zur bitte interessieren interessiert lesen interesse""")
_TOPICS = vocabulary("""themen thema topics topic auswahl einstellungen einstellung menue rubriken konular tematy
    теми темы المواضيع themenauswahl themenwahl themenliste interessen""")
_PLACES = vocabulary("gemeinde gemeinden ort orte kommune kommunen")
_AROUND_LIST = AROUND | vocabulary("""aendern anpassen bearbeiten zeigen zeig waehlen auswaehlen welche gibt was
    andere anderes meine liste uebersicht verwalten wechseln habe einstellen kann abonniert change my""")


@dataclass
class _Found:
    topics: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    rest: set[str] = field(default_factory=set)
    guessed: bool = False

    @property
    def starting(self) -> Intent:
        """Whoever is understood only nearly is asked before they are subscribed."""
        return Intent.ASK_START if self.guessed else Intent.START


def choice_of(words: Sequence[str], text: str, county: County) -> Wish | None:
    """A choice of topics or places by number or by name, or the wish to see the list."""
    if any(map(str.isdecimal, words)) and all(word.isdecimal() or word in _LINK | _ONLY for word in words):
        return _by_number(words, county)
    found = _find(words, county)
    if found.topics or found.places or found.denied:
        return _by_name(found, text)
    return _list(found.rest, text, county)


def _by_number(words: Sequence[str], county: County) -> Wish | None:
    numbers = [int(word) for word in words if word.isdecimal() and len(word) < 3]
    if not numbers or not all(1 <= number <= len(county.topics) for number in numbers):
        return None
    return Wish(intent=Intent.ONLY, topics=frozenset(county.topics[number - 1].id for number in numbers))


def _find(words: Sequence[str], county: County) -> _Found:
    names = _all_names(county)
    found, denying, index = _Found(), False, 0
    while index < len(words):
        length, kind, name = _longest(words[index:], names)
        found.guessed |= bool(length) and tuple(words[index : index + length]) not in names
        if not length:
            denying = (denying or words[index] in _NOT) and words[index] not in _ONLY
            found.rest.add(words[index])
        elif kind == "place":
            found.places.add(name)
        else:
            (found.denied if denying else found.topics).add(name)
        index += length or 1
    return found


@lru_cache(maxsize=4)
def _all_names(county: County) -> dict[tuple[str, ...], tuple[str, str]]:
    """Spelled once for a county, as it is the same for every message."""
    places = {name: (name,) for name in county.municipalities}
    return _names(county.names, "topic") | _names(places, "place")


def _names(names: Mapping[str, Sequence[str]], kind: str) -> dict[tuple[str, ...], tuple[str, str]]:
    return {tuple(words_of(word)): (kind, name) for name, spelled in names.items() for word in spelled}


def _longest(words: Sequence[str], names: Mapping[tuple[str, ...], tuple[str, str]]) -> tuple[int, str, str]:
    """How many words the first name takes, with its kind; long words may have a slip in them."""
    for length in (3, 2, 1):
        if tuple(words[:length]) in names:
            return (length, *names[tuple(words[:length])])
    for spelled, (kind, name) in names.items():
        if len(spelled) == 1 and len(words[0]) >= LONG_WORD and _similar(words[0], spelled[0]):
            return 1, kind, name
    return 0, "", ""


def _similar(word: str, name: str) -> bool:
    return OSA.normalized_similarity(word, name) >= SIMILAR


def _by_name(found: _Found, text: str) -> Wish | None:
    said, topics, places = found.rest, frozenset(found.topics), frozenset(found.places)
    if said & _ONLY and said <= _ONLY | _LINK | AROUND | _START | _NOT and topics | places:
        intent = found.starting if said & _START else Intent.ONLY
        return Wish(intent=intent, topics=topics, places=places)
    if _removes(found):
        return Wish(intent=Intent.REMOVE, topics=frozenset(found.topics | found.denied))
    if "?" in text:
        return None
    if said & _START and said <= _START | _LINK | AROUND and topics:
        return Wish(intent=found.starting, topics=topics, places=places)
    if said & _ADD and said <= _ADD | _LINK | AROUND and topics:
        return Wish(intent=Intent.ADD, topics=topics, places=places)
    named = Wish(intent=Intent.ONLY, topics=topics, places=places)
    return named if said <= _LINK | vocabulary("bitte in aus") and topics | places else None


def _removes(found: _Found) -> bool:
    """ "Keine Stellen mehr", "Stop Baustellen"; a sentence about a closure that ends is none."""
    words = LEAVE | _NOT
    leaving = bool(found.rest & words) or (
        bool(found.rest & ALONE) and len(found.rest) == 1 and "ende" not in found.rest
    )
    return bool(found.topics | found.denied) and leaving and found.rest <= words | AROUND | _LINK | ALONE | _ADD


def _list(said: set[str], text: str, county: County) -> Wish | None:
    if said & _ALL and (said <= _ALL | _TOPICS) and "?" not in text:
        return Wish(intent=Intent.ONLY, topics=county.topic_ids)
    if said & _ALL and said & _PLACES and said <= _ALL | _PLACES | _LINK:
        return Wish(intent=Intent.PLACES, every_place=True)
    if said & _TOPICS and said <= _TOPICS | _AROUND_LIST:
        return Wish(intent=Intent.TOPICS)
    if said & _PLACES and said <= _PLACES | _AROUND_LIST:
        return Wish(intent=Intent.PLACES)
    return None
