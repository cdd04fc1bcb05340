"""Topics and municipalities mentioned anywhere in a text, in any wording, wanted or not."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.text import MAX_TEXT_LENGTH, read_words, tokenize
from services.subscriptions.domain.intents.token_classes import compile_topic_patterns
from services.subscriptions.domain.intents.topic_selection import find_names

_PARTS = re.compile(
    r"[.,;!?()\n]+|\s[–—-]+\s|(?<=\bja\b)\s+|(?<=\bnein\b)\s+|(?<=\braus\b)\s+|"
    r"\b(?:aber|sondern|dafür|dafuer|stattdessen|lieber|nur|but|only|instead)\b",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"[.,;!?()\n]+|\s[–—-]+\s")
_NOT_ONLY = re.compile(r"\b(?:nicht nur|not only|stellen sie)\b", re.IGNORECASE)
_BUT_FOR = re.compile(r"\bbis auf\b", re.IGNORECASE)
_INSTEAD_OF = re.compile(r"\b(?:an)?statt\b", re.IGNORECASE)
_UNWANTED = read_words("""kein keine keinen keiner nein nicht nich net nix ohne ausser weder abbestellen
    abmelden weglassen streichen stop stopp minus sparen no not without dont unsubscribe remove stoppen abschalten
    abwaehlen uninteressant egal не без لا بدون bez nie istemiyorum istemem niet keen""")
# Refuse topics only: "Jobs raus", but "Infos aus Worpswede".
_OFF = read_words("weg raus aus ab")
_KEPT = read_words("ja gern gerne drin weiter bleibt bleiben behalten brauch brauche schon okay toll")
# Phrases about all remaining topics: "Jobs, mehr nicht", "Feste könnt ihr weglassen, alles andere gern".
_REST = r"\b(?:rest|(?:alles |das |die |den )?andere[ns]?|uebrige[ns]?|sonst|weiter|anders|alles)\b(?: \w+){0,3}?"
_REST_REFUSED = re.compile(
    _REST + r" (?:nicht|nichts|nix|nein|weg|raus|egal|verzichtbar|ueberfluessig|sparen|keine[ns]?|stop)\b|"
    r"(?<!nicht )(?<!nichts )(?<!nix )(?<!keine )\bmehr (?:\w+ ){0,2}(?:nicht|nichts|nix|keine[ns]?)\b|"
    r"\b(?:nichts|nix) ausser\b|\bausser\b.*\b(?:nichts|nix)\b"
)
_REST_WANTED = re.compile(
    r"\b(?:rest|andere[ns]?|uebrige[ns]?)\b(?: \w+){0,3}? "
    r"(?:ja|gerne?|gut|prima|super|ok|okay|bleibt|bleiben|drin|behalten|passt|lese?|weiter|interessiert|moecht\w*)\b"
)
_BESIDES = read_words("zu zum zur neben zusaetzlich")
_HAVING = read_words("hab habe haben hatte bekomm bekomme bekommen krieg kriege kriegen have get")
_SO_FAR = read_words("nur bloss schon bisher bereits already only bislang")
_MOVED = read_words("umgezogen gezogen umzug ziehe ziehen zieh moved weggezogen verzogen wechseln wechsel")
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


def extract_entities(text: str, county: County) -> Entities:
    """Return the entities of a text.

    Each part of the text is affirmed or denied by itself. Of two places the one to which somebody moves counts.
    """
    wanted: set[str] = set()
    unwanted: set[str] = set()
    kept: set[str] = set()
    places: set[str] = set()
    before: set[str] = set()
    for words in _split_parts(text):
        topics, where = _find_mentions(words, county)
        refused = bool(_UNWANTED & set(words))
        (unwanted if refused or _OFF & set(words) else wanted).update(topics)
        kept.update(topics if _KEPT & set(words) and not refused else ())
        sentence = " ".join(words)
        elsewhere = refused and not _REST_REFUSED.search(sentence) and not _has_home(words)
        far = _TOO_FAR.search(sentence)
        places.update(() if (elsewhere and not topics) or far else where)
        places -= before if far and _THAT.search(sentence) else set()  # "Grasberg? Das ist mir zu weit weg"
        before = where
    words = tokenize(text)
    return Entities(
        frozenset(wanted),
        frozenset(unwanted - wanted),
        frozenset(
            topic
            for part in _SENTENCES.split(text[:MAX_TEXT_LENGTH])
            for topic in _find_existing(tokenize(part), county)
        ),
        frozenset(kept - unwanted),
        _find_new_place(words, county) or frozenset(places),
        _parse_rest(" ".join(words)),
    )


def _split_parts(text: str) -> Iterator[list[str]]:
    said = _BUT_FOR.sub(" ausser ", _NOT_ONLY.sub("", text[:MAX_TEXT_LENGTH]))
    said = _INSTEAD_OF.sub(", ohne", said)
    yield from filter(None, map(tokenize, _PARTS.split(said)))


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


def _find_new_place(words: Sequence[str], county: County) -> frozenset[str]:
    if not _MOVED & set(words):
        return frozenset()
    after = [words[index + 1 :] for index, word in enumerate(words) if word in _THITHER]
    found = (find_names(rest[:3], county)[1] for rest in after)
    return next((frozenset(places) for places in found if places), frozenset())
