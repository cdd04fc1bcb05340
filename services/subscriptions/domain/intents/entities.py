"""Topics and municipalities mentioned anywhere in a text, in any wording, wanted or not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.text import CitizenText, read_words, split_text
from services.subscriptions.domain.intents.topic_selection import compile_topic_patterns, find_names
from services.subscriptions.domain.intents.vocabulary import POLITE

_PARTS = re.compile(
    r"[.,;!?()\n]+|\s[–—-]+\s|(?<=\bja\b)\s+|(?<=\bnein\b)\s+|(?<=\braus\b)\s+|"
    r"\b(?:aber|sondern|dafür|dafuer|stattdessen|lieber|nur|but|only|instead)\b",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"[.,;!?()\n]+|\s[–—-]+\s")
_NOT_ONLY = re.compile(r"\b(?:nicht nur|not only|stellen sie)\b", re.IGNORECASE)
_BUT_FOR = re.compile(r"\b(?:bis auf|except(?: for)?|apart from)\b", re.IGNORECASE)
_INSTEAD_OF = re.compile(r"\b(?:an)?statt\b", re.IGNORECASE)
_UNWANTED = read_words("""nichts kein keine keinen keiner nein nicht nich net nix ohne ausser weder abbestellen
    abmelden weglassen streichen stop stopp minus sparen no not without dont unsubscribe remove stoppen abschalten
    abwaehlen uninteressant egal не без لا بدون bez nie istemiyorum istemem niet keen""")
# Refuse topics only: "Jobs raus", but "Infos aus Worpswede".
_OFF = read_words("weg raus aus ab")
_CLOSING = POLITE | read_words("sofort jetzt damit nehmen machen lassen")
_KEPT = read_words("ja gern gerne drin weiter bleibt bleiben behalten brauch brauche schon okay toll")
# Phrases about all remaining topics: "Jobs, mehr nicht", "Feste könnt ihr weglassen, alles andere gern".
_REST = (
    r"\b(?:rest|(?:alles |das |die |den )?andere[ns]?|uebrige[ns]?|sonst|weiter|anders|alles)\b"
    r"(?: als \w+)?(?: \w+){0,3}?"
)
_GONE = r"(?:ab|abbestell\w*|abmelden|interessiert (?:mich|uns) nicht|weg|weglassen|streichen|raus|loeschen|stopp\w*)"
_REST_REFUSED = re.compile(
    _REST + r" (?:nicht|nichts|nix|nein|weg|raus|egal|wurs\w*|verzichtbar|ueberfluessig|sparen|keine[ns]?|stop)\b|"
    r"(?<!nicht )(?<!nichts )(?<!nix )(?<!keine )\bmehr (?:\w+ ){0,2}(?:nicht|nichts|nix|keine[ns]?)\b|"
    rf"\balle[sm]? (?:\w+ ){{0,2}}{_GONE} (?:\w+ ){{0,2}}(?:bis auf|ausser)\b|"
    rf"\b(?:bis auf|ausser) (?:\w+ ){{1,3}}alles (?:\w+ ){{0,2}}{_GONE}\b|"
    rf"\balles (?:bis auf|ausser) (?:\w+ ){{1,5}}{_GONE}\b|"
    r"\b(?:stop|cancel|everything|all|nothing|no) (?:\w+ ){0,4}(?:except|apart from)\b|"
    r"\b(?:nichts|nix) (?:\w+ ){0,3}ausser\b|"
    r"\bausser\b.*\b(?:nichts|nix)\b|\balles ausserhalb\b.*\b(?:nicht|weg|egal)\b"
)
_REST_WANTED = re.compile(
    r"\b(?:rest|andere[ns]?|uebrige[ns]?)\b(?: \w+){0,3}? "
    r"(?:ja|gerne?|gut|prima|super|ok|okay|bleibt|bleiben|drin|behalten|passt|lese?|weiter|interessiert|moecht\w*)\b"
)
_BESIDES = read_words("zu zum zur neben zusaetzlich")
_HAVING = read_words("hab habe haben hatte bekomm bekomme bekommen krieg kriege kriegen have get")
_SO_FAR = read_words("nur bloss schon bisher bereits already only bislang")
_MOVED = read_words("umgezogen gezogen umzug ziehe ziehen zieh moved weggezogen verzogen wechseln wechsel")
_AT_ALL = read_words("sonst ueberhaupt gar alles")
_FROM = read_words("aus ueber von fuer zu")
_LIVING = read_words("wohne wohnen lebe leben")
# "Wohne nicht mehr dort" has its "not" at once; a place and a conjunction are between two statements.
_FAR_FROM_HOME = 3
_THITHER = read_words("nach in to auf zu")
# "Hambergen ist mir zu weit weg" refuses a place, but in "alles andere ist mir zu weit weg" none is named.
_TOO_FAR = re.compile(r"\b(?:zu|so|sehr) weit\b|\bweit (?:weg|entfernt)\b")
_THAT = re.compile(r"^(?:(?:das|dies|es|da) )?(?:ist|liegt|waere)\b")


@dataclass(frozen=True)
class Entities:
    """Topics that somebody wants, does not want, already has (`had`) or expressly wants to keep, and places.

    `rest` tells whether they want all other topics; None if they do not say.
    """

    wanted: frozenset[str]
    unwanted: frozenset[str]
    had: frozenset[str]
    kept: frozenset[str]
    places: frozenset[str]
    rest: bool | None = None

    @property
    def topics(self) -> frozenset[str]:
        return self.wanted | self.unwanted


def extract_entities(text: CitizenText, county: County) -> Entities:
    """Return the entities of a text.

    Each part of the text is affirmed or denied by itself. Of two places the one to which somebody moves counts.
    """
    wanted: set[str] = set()
    unwanted: set[str] = set()
    places: set[str] = set()
    before: set[str] = set()
    for part in _split_parts(text.excerpt):
        topics, where = _find_mentions(part.words, county)
        refused = bool(_UNWANTED & part.said)
        (unwanted if refused or _is_off(part.words) else wanted).update(topics)
        elsewhere = refused and not _REST_REFUSED.search(part.sentence) and not _has_home(part.words)
        far = _TOO_FAR.search(part.sentence)
        places.update(() if (elsewhere and not topics) or far else where)
        places -= before if far and _THAT.search(part.sentence) else set()  # "Grasberg? Das ist mir zu weit weg"
        before = where
    sentences = text.split_at(_SENTENCES)
    kept = {
        topic
        for part in sentences
        if _KEPT & part.said and not (_UNWANTED | _OFF) & part.said
        for topic in _find_mentions(part.words, county)[0]
    }
    return Entities(
        frozenset(wanted),
        frozenset(unwanted - wanted),
        frozenset(topic for part in sentences for topic in _find_existing(part.words, county)),
        frozenset(kept - unwanted),
        _find_new_place(text, county) or frozenset(places),
        _parse_rest(text.sentence),
    )


def is_about_origin(text: CitizenText, county: County) -> bool:
    """Return whether a place says where messages come from: "keine Meldungen mehr aus Worpswede"."""
    words = text.words
    if (_MOVED | _LIVING | _AT_ALL) & text.said:
        return False
    return any(find_names(words[index + 1 : index + 3], county)[1] for index, word in enumerate(words) if word in _FROM)


def _split_parts(said: str) -> list[CitizenText]:
    said = _BUT_FOR.sub(" ausser ", _NOT_ONLY.sub("", said))
    return split_text(_INSTEAD_OF.sub(", ohne", said), _PARTS)


def _is_off(words: Sequence[str]) -> bool:
    """ "Baustellen weg bitte", but not "Baustellen aus Worpswede" or "Sperrungen auf dem Weg nach Bremen"."""
    last = next((word for word in reversed(words) if word not in _CLOSING), "")
    return "raus" in words or last in _OFF


def _has_home(words: Sequence[str]) -> bool:
    """ "Ich wohne in Worpswede und bin nicht mehr mobil": the "not" is about something else."""
    before = next(index for index, word in enumerate(words) if word in _UNWANTED)
    return bool(_LIVING & set(words[: max(0, before - _FAR_FROM_HOME)]))


def _find_mentions(words: Sequence[str], county: County) -> tuple[set[str], set[str]]:
    topics, places = find_names(words, county)
    topics |= {topic for topic, pattern in compile_topic_patterns(county) for word in words if pattern.match(word)}
    return topics, places


def _find_existing(words: Sequence[str], county: County) -> frozenset[str]:
    """Return topics already subscribed: "Zu den Sperrungen bitte noch die Baustellen", "Jobs hab ich schon"."""
    parts: list[Sequence[str]] = []
    for index, word in enumerate(words):
        behind = words[index + 1 : index + 5]
        if word in _BESIDES or words[index : index + 2] == ["nicht", "nur"]:
            parts.append(behind[:3])
        if word in _HAVING and _SO_FAR & set(behind[:3]):
            parts += [words[max(0, index - 2) : index], behind[:3]]
        if word in _HAVING and behind == ["ich"]:
            parts.append(words[:index])
    return frozenset(topic for part in parts for topic in _find_mentions(part, county)[0])


def _parse_rest(sentence: str) -> bool | None:
    if _REST_WANTED.search(sentence):
        return True
    return False if _REST_REFUSED.search(sentence) else None


def _find_new_place(text: CitizenText, county: County) -> frozenset[str]:
    if not _MOVED & text.said:
        return frozenset()
    after = [text.words[index + 1 :] for index, word in enumerate(text.words) if word in _THITHER]
    found = (find_names(rest[:3], county)[1] for rest in after)
    return next((frozenset(places) for places in found if places), frozenset())
