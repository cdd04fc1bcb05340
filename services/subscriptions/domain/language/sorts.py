"""Words of which it matters only what sort they are: one topic, place, number or day is as good as another."""

import re
from collections.abc import Callable
from fnmatch import translate
from functools import cache, lru_cache

from services.subscriptions.domain.county import County
from services.subscriptions.domain.language.moments import MONTHS, NUMBERS, UNITS, WEEKDAYS
from services.subscriptions.domain.language.spelling import vocabulary, words_of

PLACE, TOPIC, UNIT, NUMBER, DAY = "PLACE", "TOPIC", "UNIT", "9", "DAY"
_ARTICLES = vocabulary("ein eine einen einem einer")
_MOST_WORDS_REMEMBERED = 20_000


@cache
def patterns_of(county: County) -> tuple[tuple[str, str], ...]:
    """Each topic's id with a pattern of the words that mean it, spelled as words are."""
    return tuple((topic.id, _spelled(pattern)) for topic in county.topics for pattern in topic.about)


@cache
def sorting(county: County) -> Callable[[str], str]:
    """What stands for a word: its sort, or the word itself."""
    places = {word for names in county.place_names.values() for name in names for word in words_of(name)}
    of_topics = re.compile("|".join(translate(pattern) for _, pattern in patterns_of(county)) or r"(?!)")

    @lru_cache(maxsize=_MOST_WORDS_REMEMBERED)
    def sort(word: str) -> str:
        if word in places:
            return PLACE
        if of_topics.match(word):
            return TOPIC
        return _of_time(word)

    return sort


def _of_time(word: str) -> str:
    if word in UNITS:
        return UNIT
    if word in NUMBERS and word not in _ARTICLES:
        return NUMBER
    return DAY if word in MONTHS or word in WEEKDAYS else word


def _spelled(pattern: str) -> str:
    return "*".join("".join(words_of(part)) for part in pattern.split("*"))
