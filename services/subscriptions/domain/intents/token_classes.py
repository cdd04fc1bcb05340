"""Classes of words that only matter by their class: one topic, place, number or day is as good as another."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import cache, lru_cache

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.pause_limits import MONTHS, NUMBERS, UNITS, WEEKDAYS
from services.subscriptions.domain.intents.text import read_words, tokenize

PLACE, TOPIC, UNIT, NUMBER, DAY = "PLACE", "TOPIC", "UNIT", "9", "DAY"
_ARTICLES = read_words("ein eine einen einem einer ne nen")
_MAX_CACHED_WORDS = 20_000


# Words that mean the same in a request, by the name of their class.
_ALIKE = {
    word: sort
    for sort, words in {
        "NEWS": """nachricht nachrichten meldung meldungen info infos information informationen mitteilung mitteilungen
        news benachrichtigung benachrichtigungen neuigkeit neuigkeiten rundschreiben updates messages""",
        "SERVICE": """dienst dienstes nachrichtendienst informationsdienst infodienst newsletter kanal infokanal
        kreisfunk service angebot abo abonnement""",
        "LIST": "verteiler verteilers liste gruppe empfaengerliste verteilerliste",
        "SEND": """schicken schickt schick schicke senden sendet sende zusenden zuschicken zugeschickt geschickt
        gesendet zugesendet zugesandt""",
        "GET": "bekommen bekomme erhalten erhalte kriegen kriege krieg empfangen beziehen gekriegt empfange beziehe",
        "WISH": "moechte moechten will wollen wuerde wuerden haette haetten wuensche wuenschen moecht wollte mag",
        "YOUR": "euer eure euren euern eurem eurer ihre ihren ihrem ihrer ihres deine deinen",
        "MY": "mein meine meinen meiner meinem unser unsere unseren unserer unserem",
        "ME": "mich uns mir",
        "I": "ich wir",
        "YOU": "sie ihr euch ihnen du",
        "NO": "kein keine keinen keiner keinerlei",
        "CAN": "kann koennen koennt koennte koennten kannst koenntet",
        "THE": "der die das den dem des dies diese diesen dieser dieses diesem",
    }.items()
    for word in read_words(words)
}


@cache
def compile_topic_patterns(county: County) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return each topic's id with the pattern of words that mean it."""
    return tuple((topic.id, _compile_any(topic.about)) for topic in county.topics if topic.about)


@cache
def build_token_classifier(county: County) -> Callable[[str], str]:
    """Return a function that maps a word to its class, or to itself if it has none."""
    places = {word for names in county.place_names.values() for name in names for word in tokenize(name)}
    patterns = [pattern for _, pattern in compile_topic_patterns(county)]

    @lru_cache(maxsize=_MAX_CACHED_WORDS)
    def sort(word: str) -> str:
        if word in places:
            return PLACE
        if any(pattern.match(word) for pattern in patterns):
            return TOPIC
        return _ALIKE.get(word) or _classify_time(word)

    return sort


def _classify_time(word: str) -> str:
    if word in UNITS:
        return UNIT
    if word in NUMBERS and word not in _ARTICLES:
        return NUMBER
    return DAY if word in MONTHS or word in WEEKDAYS else word


def _compile_any(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(_normalize_pattern(pattern)) for pattern in patterns))


def _normalize_pattern(pattern: str) -> str:
    return "*".join("".join(tokenize(part)) for part in pattern.split("*"))
