"""Which topics and municipalities somebody names, and what is to become of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rapidfuzz.distance import OSA

from services.subscriptions.domain.county import County
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.spelling import vocabulary, words_of
from services.subscriptions.domain.language.vocabulary import (
    ALONE,
    AROUND,
    LEAVE,
    NO,
    ONLY,
    POLITE,
    RECEIVED,
    START_AROUND,
    STOP,
)

LONG_WORD = 7
SIMILAR = 0.8
NEARLY_THE_SAME = 0.92

_ADD = vocabulary(
    """wieder dazunehmen einschalten aktivieren dazu zusaetzlich plus hinzufuegen hinzu ebenfalls auch zuwaehlen
    hinzunehmen noch ergaenzen"""
)
_NOT = NO | vocabulary("nein weder loeschen streichen ohne ausser minus abwaehlen weg raus aus keine")
_BUT = vocabulary("aber sondern dafuer weiterhin weiter nur ja")
_JOINING = vocabulary("anmelden anmeldung anmelde eintragen")
_GETTING = vocabulary("die den bekommen erhalten haben kriegen alle")
_AN_EVENT = vocabulary("zur zum der einer")
_YES_NO = ("ja", "nein")
_CHOOSING = vocabulary("auswaehlen waehlen abwaehlen aendern einstellen")
_ELSE = vocabulary("andere anderes was etwas")
_SIGNS = {"+": Intent.ADD, "-": Intent.REMOVE, "−": Intent.REMOVE, "–": Intent.REMOVE}
_REST = vocabulary("rest andere anderes anderen andern uebrige uebrigen sonstige restlichen restliche")
_ALL = vocabulary("alle alles all hepsi wszystkie все все")
_START = vocabulary("start abo abonnieren abonniere subscribe")
# Words that look like a slip in a topic's name.
_NO_NAME = LEAVE | vocabulary(
    """bestellen bestelle bestellt stehlen stellten baustoffe anstellen vorstellen herstellen umstellen bearbeiten
    verarbeiten"""
)
_LINK = vocabulary("""haette und oder sowie thema themen nummer punkt gemeinde gemeinden ort orte stadt samtgemeinde
    and sie mir fuer im bereich rubrik wahl waehle auswahl informiert werden ueber nachrichten meldungen infos
    informationen wissen erfahren mitbekommen geschickt zum zur bitte interessieren interessiert lesen interesse""")
_NUMBERED = vocabulary("die den das der nr option ziffer")
_STARTING = _START | START_AROUND | POLITE | vocabulary("nur und")
_STRUCK = (_NOT | LEAVE) - STOP
_BESIDE_NUMBERS = _LINK | ONLY | _NUMBERED | _STRUCK
_SEEKING = vocabulary("suche suchen koennen kann koennt such")
_ASKED = vocabulary("kann koennen koennte man moeglich")
_ASKED_OF_US = vocabulary("koennen koennt koennten koenntet kann wuerden wuerdet")
_WANTED = vocabulary("ich moechte will haette wuerde gern gerne bitte in aus ja")
_WISHING = vocabulary("moechte will haette wuerde")
_LIVING = vocabulary(
    "wohne wohnen lebe leben komme ist aus umgezogen gezogen ziehe nach hier gemeinde wohnort wohnhaft buerger"
)
# "Ich wohne in Worpswede und möchte die Nachrichten bekommen" is no choice of a place.
_RECEIVING = RECEIVED | vocabulary("abo kanal verteiler dienst bekommen erhalten kriegen schicken schickt abmelden")
_TOPICS = vocabulary("""themenuebersicht themenaenderung kategorien kategorie themenauswahl themen thema topics topic
    auswahl einstellungen einstellung menue rubriken konular tematy
    теми темы المواضيع themenauswahl themenwahl themenliste interessen""")
_PLACES = vocabulary("wohnort gemeinde gemeinden ort orte kommune kommunen")
_AROUND_LIST = AROUND | vocabulary("""aendern anpassen bearbeiten zeigen zeig waehlen auswaehlen welche gibt was
    anzeigen abwaehlen sehen nur menu andere anderes meine
    meiner unserer eigene eigenen wie wo koennen koennte man habt
    bietet liste uebersicht verwalten wechseln habe einstellen kann
    abonniert change my""")


@dataclass
class _Found:
    topics: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    rest: set[str] = field(default_factory=set)
    guessed: bool = False

    @property
    def starting(self) -> Intent:
        """Whoever is understood only nearly, or says more than a start, is asked before they are subscribed."""
        return Intent.ASK_START if self.guessed or not self.rest <= _STARTING else Intent.START


def choice_of(words: Sequence[str], text: str, county: County) -> Wish | None:
    """A choice of topics or places by number or by name, or the wish to see the list."""
    if any(map(str.isdecimal, words)) and all(word.isdecimal() or word in _BESIDE_NUMBERS for word in words):
        return _by_number(words, county)
    found = _find(_signed(_excepted(words)), county)
    if found.topics or found.places or found.denied:
        return _by_sign(found, text) or _by_name(found, text)
    return _list(found.rest, text, county)


def names_everything(text: str) -> bool:
    """Return whether the text is "alle" and nothing else."""
    said = set(words_of(text)) - POLITE
    return bool(said & _ALL) and said <= _ALL | ONLY


def names_in(words: Sequence[str], county: County) -> tuple[set[str], set[str]]:
    """The topics and the municipalities that are named by their names, also with a slip in them."""
    found = _find(words, county)
    return found.topics | found.denied, found.places


def _by_number(words: Sequence[str], county: County) -> Wish | None:
    numbers = [int(word) for word in words if word.isdecimal() and len(word) < 3]
    if not numbers or not all(1 <= number <= len(county.topics) for number in numbers):
        return None
    intent = Intent.REMOVE if set(words) & _STRUCK else Intent.ONLY
    return Wish(intent=intent, topics=frozenset(county.topics[number - 1].id for number in numbers))


def _find(words: Sequence[str], county: County) -> _Found:
    names = _all_names(county)
    found, denying, index = _Found(), False, 0
    while index < len(words):
        length, kind, name = _longest(words[index:], names)
        found.guessed |= bool(length) and tuple(words[index : index + length]) not in names
        if not length:
            denying = (denying or words[index] in _NOT) and words[index] not in ONLY | _BUT
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
    return _names(county.names, "topic") | _names(county.place_names, "place")


def _names(names: Mapping[str, Sequence[str]], kind: str) -> dict[tuple[str, ...], tuple[str, str]]:
    return {tuple(words_of(word)): (kind, name) for name, spelled in names.items() for word in spelled}


def _longest(words: Sequence[str], names: Mapping[tuple[str, ...], tuple[str, str]]) -> tuple[int, str, str]:
    """How many words the first name takes, with its kind; long words may have a slip in them."""
    for length in (3, 2, 1):
        if tuple(words[:length]) in names:
            return (length, *names[tuple(words[:length])])
    for length, enough in ((2, NEARLY_THE_SAME), (1, SIMILAR)):
        found = _nearly("".join(words[:length]), names, enough) if len(words) >= length else None
        if found:
            return (length, *found)
    return 0, "", ""


def _nearly(word: str, names: Mapping[tuple[str, ...], tuple[str, str]], enough: float) -> tuple[str, str] | None:
    if len(word) < LONG_WORD or word in _NO_NAME:
        return None
    for spelled, (kind, name) in names.items():
        if len(spelled) == 1 and OSA.normalized_similarity(word, spelled[0], score_cutoff=enough):
            return kind, name
    return None


def _by_sign(found: _Found, text: str) -> Wish | None:
    """ "+ Jobs", "- Baustellen"."""
    sign = _SIGNS.get(text.lstrip()[:1])
    alone = found.topics and not found.rest and not found.places
    return Wish(intent=sign, topics=frozenset(found.topics)) if sign and alone else None


def _by_name(found: _Found, text: str) -> Wish | None:
    said, topics, places = found.rest, frozenset(found.topics), frozenset(found.places)
    if _and_nothing_else(found):
        return Wish(intent=Intent.ONLY, topics=topics, places=places)
    if said & ONLY and said <= ONLY | _LINK | AROUND | _START | _NOT | _ASKED | _REST and topics | places:
        intent = found.starting if said & _START else Intent.ONLY
        return Wish(intent=intent, topics=topics, places=places)
    if _removes(found):
        kept = found.topics if found.denied and said & _BUT else set[str]()
        return Wish(intent=Intent.REMOVE, topics=frozenset((found.topics | found.denied) - kept))
    if "?" in text and not _politely_asked(found):
        return None
    joining = _joining(found) if topics else None
    if joining:
        return Wish(intent=joining, topics=topics, places=places)
    if said & _ADD and said <= _ADD | _LINK | AROUND | _ASKED_OF_US and topics:
        return Wish(intent=Intent.ADD, topics=topics, places=places)
    named = Wish(intent=Intent.ONLY, topics=topics, places=places)
    if places and not topics and said & _LIVING and said <= _LINK | AROUND | _LIVING and not said & _RECEIVING:
        return named
    wished = "ich" not in said or bool(said & _WISHING)
    getting = _GETTING if said & _WISHING else frozenset[str]()
    return named if wished and said <= _LINK | _WANTED | getting and topics | places else None


def _joining(found: _Found) -> Intent | None:
    """ "Start Baustellen"; "Anmelden für Baustellen" may be about something that takes place, and is asked about."""
    said, around = found.rest, _LINK | AROUND
    if said & _START and said <= _START | around:
        return found.starting
    asked = said & _JOINING and said <= _JOINING | around and not said & _AN_EVENT
    return Intent.ASK_START if asked else None


def _politely_asked(found: _Found) -> bool:
    """ "Können Sie mir auch Jobs schicken?"."""
    return bool(found.rest & _ASKED_OF_US and found.rest & _ADD and found.rest & {"mir", "uns"})


def _and_nothing_else(found: _Found) -> bool:
    """ "Baustellen ja, Rest nein"."""
    said, struck = found.rest, _NOT | LEAVE | ALONE
    chosen = bool(found.topics) and not found.denied
    return chosen and bool(said & _REST and said & struck) and said <= _REST | struck | _LINK | AROUND | _BUT | _ALL


def _excepted(words: Sequence[str]) -> list[str]:
    """ "Alles bis auf Stellen" is "alles außer Stellen"."""
    sentence = f" {' '.join(words)} ".replace(" bis auf ", " ausser ")
    return sentence.split()


def _signed(words: Sequence[str]) -> list[str]:
    """ "Sperrungen ja, Stellen nein" is "ja Sperrungen, nein Stellen"."""
    if not {"ja", "nein"} <= set(words) or words[-1] not in _YES_NO:
        return list(words)
    result: list[str] = []
    part: list[str] = []
    for word in words:
        part = [word, *part] if word in _YES_NO else [*part, word]
        if word in _YES_NO:
            result, part = [*result, *part], []
    return result


def _removes(found: _Found) -> bool:
    """ "Keine Stellen mehr", "Stop Baustellen"; a sentence about a closure that ends is none."""
    words = LEAVE | _NOT
    leaving = bool(found.rest & words) or (
        bool(found.rest & ALONE) and len(found.rest) == 1 and "ende" not in found.rest
    )
    return (
        bool(found.topics | found.denied) and leaving and found.rest <= words | AROUND | _LINK | ALONE | _ADD | _SEEKING
    )


def _list(said: set[str], text: str, county: County) -> Wish | None:
    if said in ({"liste"}, {"aendern"}, {"uebersicht"}):
        return Wish(intent=Intent.TOPICS)
    if said & _ALL and (said <= _ALL | _TOPICS | {"vier"}) and "?" not in text:
        return Wish(intent=Intent.ONLY, topics=county.topic_ids)
    if said & _ALL and said & _PLACES and said <= _ALL | _PLACES | _LINK:
        return Wish(intent=Intent.PLACES, every_place=True)
    if said & _TOPICS and said <= _TOPICS | _AROUND_LIST:
        return Wish(intent=Intent.TOPICS)
    if said & _CHOOSING and said & _ELSE and said <= _AROUND_LIST:
        return Wish(intent=Intent.TOPICS)
    if said & _PLACES and said <= _PLACES | _AROUND_LIST:
        return Wish(intent=Intent.PLACES)
    return None
