"""Detection of topics and municipalities by name, and of choices among them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache, lru_cache

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.text import CitizenText, Phrase, read_words, tokenize
from services.subscriptions.domain.intents.vocabulary import (
    ALL,
    AROUND_LIST,
    FILLER_WORDS,
    HEARING,
    LINK,
    LIVING,
    NO,
    ONLY,
    PLACE_WORDS,
    POLITE,
    RECEIVED,
    SIGN_OFF,
    START_AROUND,
    STOP,
    STOP_ALONE_WORDS,
    STOP_WORDS,
    TOPICS,
    is_about_all_topics,
    is_greeting_to_all,
)

MIN_FUZZY_LENGTH = 7
MAX_PLACE_WORDS = 15
MIN_SIMILARITY = 0.8
MIN_PAIR_SIMILARITY = 0.92

_ADD = read_words("""wieder dazunehmen einschalten aktivieren dazu zusaetzlich plus hinzufuegen hinzu ebenfalls auch
    zuwaehlen hinzunehmen noch ergaenzen""")
_NOT = NO | read_words("nein loeschen streichen ausser minus abwaehlen weg raus aus")
_NOTHING = read_words("nichts nix keine")
_WEG = read_words("weg raus aus loeschen")
_BUT = read_words("aber sondern dafuer weiterhin weiter nur ja")
_JOINING = read_words("anmelden anmeldung anmelde eintragen")
_GETTING = read_words("die den bekommen erhalten haben kriegen alle")
_AN_EVENT = read_words("zur zum der einer")
_YES_NO = ("ja", "nein")
_CHOOSING = read_words("auswaehlen waehlen abwaehlen aendern einstellen")
_ELSE = read_words("andere anderes was etwas")
_REST = read_words("rest andere anderes anderen andern uebrige uebrigen sonstige restlichen restliche")
_START = read_words("start abo abonnieren abonniere subscribe")
# Words that look like a typo in a topic's name.
_NO_NAME = STOP_WORDS | read_words("""bestellen bestelle bestellt stehlen stellten baustoffe anstellen vorstellen
    herstellen umstellen bearbeiten verarbeiten""")
_NUMBERED = read_words("die den das der nr option ziffer")
_STARTING = _START | START_AROUND | POLITE | read_words("nur")
_STRUCK = _NOT | STOP_WORDS
_BESIDE_NUMBERS = (LINK | ONLY | _NUMBERED | _STRUCK) - STOP
_IN_NUMBERED_STOP = STOP | _NUMBERED | read_words("thema themen nummer und")
_SEEKING = read_words("suche suchen koennen kann koennt such")
_ASKED = read_words("kann koennen koennte man moeglich")
_ASKED_OF_US = read_words("koennen koennt koennten koenntet kann wuerden wuerdet")
_WANTED = read_words("ich moechte will haette wuerde gern gerne bitte in aus ja")
_WISHING = read_words("moechte will haette wuerde")
_FROM = read_words("aus von dem der")
# "Ich wohne in Worpswede und möchte die Nachrichten bekommen" is not a choice of a place.
_RECEIVING = RECEIVED | read_words("abo kanal verteiler dienst bekommen erhalten kriegen schicken schickt abmelden")
_LIMITING = read_words("auf beschraenken einschraenken begrenzen eingrenzen bestimmte bestimmten einzelne auch")
_EVERYWHERE = re.compile(
    r"\b(?:ganze[nmr]?|gesamte[nmr]?|kompletten?) (?:land)?kreis(?:gebiet)?\b|\bkreisweit\b|\bueberall\b|"
    r"\b(?:ein|be)schraenkung\b.*\b(?:aufheben|aufgehoben)\b|"
    r"\b(?:allen?|saemtlichen?) (?:orten?|ortschaften|gemeinden|doerfern?|kommunen)\b"
)
_REFUSING = (NO | ONLY | STOP_WORDS | STOP_ALONE_WORDS) - {"aus"}
# "Start der Bauarbeiten", "der Start vom Flohmarkt": about the beginning of something, perhaps
_BEGINNING = re.compile(r"\b(?:der|den|zum|am|beim|vor|nach) start\b|\bstart (?:der|vom|bei|in|im)\b")
_ALL_BUT = re.compile(r" alles (?:behalten )?(?:nur|bloss) ((?:\w+ ){1,3})nicht ")
_NOT_ONLY = re.compile(r"\b(?:nicht|statt) (?:nur|bloss|allein) ")


@dataclass
class _Mentions:
    topics: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    rest: set[str] = field(default_factory=set)
    has_typo: bool = False

    @property
    def start_intent(self) -> Intent:
        """Return ASK_START if a name has a typo or the text contains more than a start, else START."""
        return Intent.ASK_START if self.has_typo or not self.rest <= _STARTING else Intent.START


def match_selection(phrase: Phrase, text: CitizenText, county: County) -> ParsedIntent | None:
    """Return a choice of topics or places by number or by name, or a request for the list; None if it is neither."""
    words = phrase.words
    # "Stop 2" drops a topic, "Stop! 2" and "Stop Gemeinde 2" do not.
    has_bare_stop = any(part.word_set & STOP and part.word_set <= STOP | POLITE for part in text.sentences)
    is_numbered_stop = phrase.word_set & STOP and not has_bare_stop
    beside = (_IN_NUMBERED_STOP if is_numbered_stop else _BESIDE_NUMBERS) | ({"bis"} if text.ranges else set())
    if any(map(str.isdecimal, words)) and all(word.isdecimal() or word in beside for word in words):
        return _select_by_number(phrase, text, county)
    mentions = collect_mentions(_move_yes_no(_rewrite_exceptions(phrase)), county)
    if not mentions.topics | mentions.denied and _wants_every_place(mentions, phrase, text):
        return ParsedIntent(intent=Intent.PLACES, every_place=True)
    sentence, not_only = _NOT_ONLY.subn("", text.sentence)
    if not_only and mentions.topics and ALL & mentions.rest and not _REFUSING & set(sentence.split()):
        return ParsedIntent(intent=Intent.ONLY, topics=county.topic_ids)  # "Nicht nur Jobs, ich will alles"
    if mentions.topics or mentions.places or mentions.denied:
        alone = not mentions.rest and not mentions.denied  # "+ Jobs", "- Baustellen"
        signed = alone and _build_signed_choice(text, frozenset(mentions.topics), frozenset(mentions.places))
        return signed or _select_by_name(mentions, text)
    return _match_list_request(mentions.rest, text, county)


def _wants_every_place(mentions: _Mentions, phrase: Phrase, text: CitizenText) -> bool:
    """Return whether all municipalities are wanted: "Ich möchte wieder aus dem ganzen Landkreis hören"."""
    sentence, not_only = _NOT_ONLY.subn("", text.sentence)
    words = set(sentence.split())
    if words & _REFUSING or text.asks or len(phrase.words) > MAX_PLACE_WORDS:
        return False
    # "Wieder für alle Orte", "nicht nur Ritterhude sondern überall"
    alone = mentions.rest & set(_EVERYWHERE.sub(" ", sentence).split()) <= FILLER_WORDS
    return bool(
        (words & HEARING or alone) and ((not_only and words & ALL and mentions.places) or _EVERYWHERE.search(sentence))
    )


def is_everything(text: CitizenText) -> bool:
    """Return whether the text is "alle" and nothing else."""
    words = text.word_set - POLITE
    return bool(words & ALL) and words <= ALL | ONLY


def find_names(words: Sequence[str], county: County) -> tuple[set[str], set[str]]:
    """Return the topics and the municipalities that occur by name, even with a typo."""
    mentions = collect_mentions(words, county)
    return mentions.topics | mentions.denied, mentions.places


@cache
def compile_topic_patterns(county: County) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return each topic's id with the pattern of its words."""
    patterns = ((topic.id, map(_normalize_pattern, topic.about)) for topic in county.topics if topic.about)
    return tuple((topic, re.compile("|".join(map(translate, about)))) for topic, about in patterns)


def _normalize_pattern(pattern: str) -> str:
    return "*".join("".join(tokenize(part)) for part in pattern.split("*"))


def _select_by_number(phrase: Phrase, text: CitizenText, county: County) -> ParsedIntent | None:
    numbers = [int(word) for word in phrase.words if word.isdecimal() and len(word) < 3] + text.ranges
    if not numbers or not all(1 <= number <= len(county.topics) for number in numbers):
        return None
    topics = frozenset(county.topics[number - 1].id for number in numbers)
    if phrase.word_set & _STRUCK:
        return ParsedIntent(intent=Intent.REMOVE, topics=topics)
    return _build_signed_choice(text, topics, frozenset()) or ParsedIntent(intent=Intent.ONLY, topics=topics)


def _build_signed_choice(text: CitizenText, topics: frozenset[str], places: frozenset[str]) -> ParsedIntent | None:
    """Return the choice of what a sign precedes; None without a sign.

    It is a list where that is unclear: other signs follow, dashes may be bullets, or a place would be dropped.
    """
    if not text.signs:
        return None
    may_be_bullets = len(text.signs) > 1 and "-" in text.signs and "\n" in text.raw.strip()
    if len(set(text.signs)) == 1 and not may_be_bullets and ("+" in text.signs or not places):
        return ParsedIntent(intent=Intent.ADD if "+" in text.signs else Intent.REMOVE, topics=topics, places=places)
    return ParsedIntent(intent=Intent.PLACES if places else Intent.TOPICS)


def collect_mentions(words: Sequence[str], county: County) -> _Mentions:
    names = _collect_names(county)
    mentions, denying, index = _Mentions(), False, 0
    while index < len(words):
        length, name_type, name = _find_longest(words[index:], names)
        mentions.has_typo |= bool(length) and tuple(words[index : index + length]) not in names.entries
        if not length:
            denying = (denying or words[index] in _NOT) and words[index] not in ONLY | _BUT
            mentions.rest.add(words[index])
        elif name_type == "place":
            mentions.places.add(name)
        else:
            (mentions.denied if denying else mentions.topics).add(name)
        index += length or 1
    return mentions


@dataclass(frozen=True)
class _Names:
    """Type and id of each name of a county by its words; and the names of one word, with which typos are compared."""

    entries: Mapping[tuple[str, ...], tuple[str, str]]
    single: Sequence[str]


@lru_cache(maxsize=4)
def _collect_names(county: County) -> _Names:
    """Return the tokenized names of a county, which are the same for every message."""
    kinds = (("topic", county.topic_names), ("place", county.place_names))
    named = ((alias, (kind, name)) for kind, names in kinds for name, aliases in names.items() for alias in aliases)
    entries = {tuple(tokenize(alias)): entry for alias, entry in named}
    return _Names(entries, [tokens[0] for tokens in entries if len(tokens) == 1])


def _find_longest(words: Sequence[str], names: _Names) -> tuple[int, str, str]:
    """Return word count, type and id of a name at the start; long words may have a typo."""
    for length in (3, 2, 1):
        if entry := names.entries.get(tuple(words[:length])):
            return (length, *entry)
    for length, min_similarity in ((2, MIN_PAIR_SIMILARITY), (1, MIN_SIMILARITY)):
        if len(words) >= length and (entry := _find_similar("".join(words[:length]), names, min_similarity)):
            return (length, *entry)
    return 0, "", ""


def _find_similar(word: str, names: _Names, min_similarity: float) -> tuple[str, str] | None:
    """Return the first name that is similar enough, not the most similar one."""
    if len(word) < MIN_FUZZY_LENGTH or word in _NO_NAME:
        return None
    found = extract(word, names.single, scorer=OSA.normalized_similarity, score_cutoff=min_similarity, limit=None)
    return names.entries[(min(found, key=lambda match: match[2])[0],)] if found else None


def _select_by_name(mentions: _Mentions, text: CitizenText) -> ParsedIntent | None:
    words, topics, places = mentions.rest, frozenset(mentions.topics), frozenset(mentions.places)
    if _is_exclusive(mentions):
        return ParsedIntent(intent=Intent.ONLY, topics=topics | mentions.denied, places=places)
    if words & ONLY and words <= ONLY | LINK | FILLER_WORDS | _START | _NOT | _ASKED | _REST and topics | places:
        intent = mentions.start_intent if words & _START else Intent.ONLY
        return ParsedIntent(intent=intent, topics=topics, places=places)
    if _is_removal(mentions):
        wanted = mentions.topics if mentions.denied and words & _BUT else set[str]()
        return ParsedIntent(intent=Intent.REMOVE, topics=frozenset((mentions.topics | mentions.denied) - wanted))
    if (text.asks and not _is_polite_request(mentions)) or _is_greeting(words, text):
        return None
    start = _match_start(mentions)
    if start:
        is_sure = topics and not _BEGINNING.search(text.sentence)
        return ParsedIntent(intent=start if is_sure else Intent.ASK_START, topics=topics, places=places)
    more = _ADD | {"mehr"}
    if words & more and words <= more | LINK | FILLER_WORDS | _ASKED_OF_US and topics | places:
        return ParsedIntent(intent=Intent.ADD, topics=topics, places=places)
    choice = ParsedIntent(intent=Intent.ONLY, topics=topics, places=places)
    if places and not topics and words & LIVING and words <= LINK | FILLER_WORDS | LIVING and not words & _RECEIVING:
        return choice
    is_wish = "ich" not in words or bool(words & _WISHING)
    getting = _GETTING if words & _WISHING else frozenset[str]()
    return choice if is_wish and words <= LINK | _WANTED | getting and topics | places else None


def _is_greeting(words: set[str], text: CitizenText) -> bool:
    """Return whether a place is only the origin of greetings: "Grüße aus Lilienthal"."""
    return words <= _FROM and bool(SIGN_OFF & text.word_set)


def _match_start(mentions: _Mentions) -> Intent | None:
    """Match a start with topics or places: "Start Baustellen".

    "Anmelden für Baustellen" may be about an event, so it leads to a question.
    """
    words, around = mentions.rest, LINK | FILLER_WORDS | (frozenset() if mentions.topics else ONLY)
    if words & _START and words <= _START | around:
        return mentions.start_intent
    may_be_start = words & _JOINING and words <= _JOINING | around and not words & _AN_EVENT
    return Intent.ASK_START if may_be_start else None


def _is_polite_request(mentions: _Mentions) -> bool:
    """Return whether a question is a request: "Können Sie mir auch Jobs schicken?"."""
    return bool(mentions.rest & _ASKED_OF_US and mentions.rest & _ADD and mentions.rest & {"mir", "uns"})


def _is_exclusive(mentions: _Mentions) -> bool:
    """Return whether all other topics are refused: "Baustellen ja, Rest nein", "Alles abbestellen außer Stellen"."""
    words, refusals = mentions.rest, _NOT | STOP_WORDS | STOP_ALONE_WORDS
    nothing = words & (_NOTHING - {"keine"}) and words <= _NOTHING | LINK | FILLER_WORDS | {"ausser"}
    if "ausser" in words and (nothing or (words & ALL and words & (STOP_WORDS | _WEG))):
        return True
    if not mentions.topics | mentions.denied:  # "Lilienthal und Grasberg, sonst nichts"
        is_only_nothing = {"sonst"} < words <= _NOTHING | LINK | FILLER_WORDS and len(words & _NOTHING) == 1
        return is_only_nothing and "mehr" not in words
    names_rest = bool(mentions.topics and not mentions.denied and words & _REST and words & refusals)
    return names_rest and words <= _REST | refusals | LINK | FILLER_WORDS | _BUT | ALL


def _rewrite_exceptions(phrase: Phrase) -> list[str]:
    """Rewrite "Alles bis auf Stellen" and "alles, nur Stellen nicht" as "alles außer Stellen"."""
    return _ALL_BUT.sub(r" alles ausser \1", f" {phrase.sentence} ".replace(" bis auf ", " ausser ")).split()


def _move_yes_no(words: Sequence[str]) -> list[str]:
    """Rewrite "Sperrungen ja, Stellen nein" as "ja Sperrungen, nein Stellen"."""
    if not {"ja", "nein"} <= set(words) or words[-1] not in _YES_NO:
        return list(words)
    result: list[str] = []
    part: list[str] = []
    for word in words:
        part = [word, *part] if word in _YES_NO else [*part, word]
        if word in _YES_NO:
            result, part = [*result, *part], []
    return result


def _is_removal(mentions: _Mentions) -> bool:
    """Return whether topics are dropped: "Keine Stellen mehr", "Stop Baustellen".

    A sentence about the end of a road closure drops nothing.
    """
    refusals = STOP_WORDS | _NOT
    is_refusal = bool(mentions.rest & refusals) or (
        bool(mentions.rest & STOP_ALONE_WORDS) and len(mentions.rest) == 1 and "ende" not in mentions.rest
    )
    return (
        bool(mentions.topics | mentions.denied)
        and is_refusal
        and mentions.rest <= refusals | FILLER_WORDS | LINK | STOP_ALONE_WORDS | _ADD | _SEEKING
    )


def _match_list_request(words: set[str], text: CitizenText, county: County) -> ParsedIntent | None:
    if words in ({"liste"}, {"aendern"}, {"uebersicht"}):
        return ParsedIntent(intent=Intent.TOPICS)
    if words & ALL and not (text.asks or is_greeting_to_all(text.word_set)) and is_about_all_topics(words):
        return ParsedIntent(intent=Intent.ONLY, topics=county.topic_ids)
    if words & ALL and words & PLACE_WORDS and words <= ALL | PLACE_WORDS | LINK:
        return ParsedIntent(intent=Intent.PLACES, every_place=True)
    if words <= TOPICS | AROUND_LIST and (words & TOPICS or (words & _CHOOSING and words & _ELSE)):
        return ParsedIntent(intent=Intent.TOPICS)
    if words & PLACE_WORDS and words <= PLACE_WORDS | AROUND_LIST | _LIMITING:
        return ParsedIntent(intent=Intent.PLACES)
    return None
