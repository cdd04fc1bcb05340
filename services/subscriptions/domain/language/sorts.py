"""Words of which it matters only what sort they are: one topic, place, number or day is as good as another."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import cache, lru_cache

from services.subscriptions.domain.county import County
from services.subscriptions.domain.language.moments import MONTHS, NUMBERS, UNITS, WEEKDAYS
from services.subscriptions.domain.language.spelling import vocabulary, words_of

PLACE, TOPIC, UNIT, NUMBER, DAY = "PLACE", "TOPIC", "UNIT", "9", "DAY"
_ARTICLES = vocabulary("ein eine einen einem einer")
_MOST_WORDS_REMEMBERED = 20_000


@cache
def patterns_of(county: County) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each topic's id with what a word that means it looks like."""
    return tuple((topic.id, _any_of(topic.about)) for topic in county.topics if topic.about)


@cache
def sorting(county: County) -> Callable[[str], str]:
    """What stands for a word: its sort, or the word itself."""
    places = {word for names in county.place_names.values() for name in names for word in words_of(name)}
    patterns = [pattern for _, pattern in patterns_of(county)]

    @lru_cache(maxsize=_MOST_WORDS_REMEMBERED)
    def sort(word: str) -> str:
        if word in places:
            return PLACE
        if any(pattern.match(word) for pattern in patterns):
            return TOPIC
        return _of_time(word)

    return sort


def _of_time(word: str) -> str:
    if word in UNITS:
        return UNIT
    if word in NUMBERS and word not in _ARTICLES:
        return NUMBER
    return DAY if word in MONTHS or word in WEEKDAYS else word


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(_spelled(pattern)) for pattern in patterns))


def _spelled(pattern: str) -> str:
    return "*".join("".join(words_of(part)) for part in pattern.split("*"))
