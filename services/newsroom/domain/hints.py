"""Hints for plain language and accessibility; following them is optional."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from rapidfuzz import fuzz

from services.newsroom.domain.drafts import DraftContent
from services.newsroom.domain.german import MONTHS, find_day

MAX_SENTENCE_WORDS = 20
MAX_WORD_LETTERS = 24
MIN_SHOUTED_LETTERS = 5
MAX_EMOJI = 2
MIN_SIMILARITY = 80
HALF_YEAR = timedelta(days=183)

# A full stop after a number or a short word (`1. Mai`, `St. Marien`, `z. B.`) does not end a sentence.
_SENTENCE_END = re.compile(r"(?<=[^\W\d]{4}[.!?])\s+|(?<=[!?])\s+|(?<=\b\d\d\d\d\.)\s+")
_WORD = re.compile(r"[^\W\d_][\w’'-]*")
# If the month is spelled out, the year is optional.
_DAY = re.compile(rf"\b(\d{{1,2}})\.\s*(?:(\d{{1,2}})\.\s*(\d{{4}})|({'|'.join(MONTHS)})\b(?:\s*(\d{{4}}))?)")
_ADDRESS = re.compile(r"https?://|\bwww\.")
_POINTER = re.compile(
    r"\b(mehr|weiter\w*|info\w*|details|anmeld\w*|bewerb\w*|programm|karte|plan|link|hier|siehe|unter)\b"
)


@dataclass(frozen=True)
class Hint:
    """Advice about one field, in German."""

    field: str
    text: str


def find_hints(content: DraftContent, today: date) -> tuple[Hint, ...]:
    """Return advice on a draft; dates before `today` are past."""
    return tuple(_find_hints(content, today))


def _find_hints(content: DraftContent, today: date) -> Iterator[Hint]:
    for field, text in (("headline", content.headline), ("text", content.text)):
        for advice in (*_find_shouting(text), *_find_past_dates(text, today), *_find_emoji(text)):
            yield Hint(field, advice)
    for advice in (*_find_long_sentences(content.text), *_find_long_words(content.text)):
        yield Hint("text", advice)
    if content.headline.rstrip().endswith("."):
        yield Hint("headline", "Eine Überschrift braucht keinen Punkt am Ende.")
    if _ADDRESS.search(content.headline):
        yield Hint("headline", "Setzen Sie die Adresse in das Feld „Link“, nicht in die Überschrift.")
    if _ADDRESS.search(content.text):
        yield Hint("text", "Setzen Sie die Adresse in das Feld „Link“. Im Text sagen Sie, was dort zu finden ist.")
    if content.link and content.text and not _POINTER.search(content.text.lower()):
        yield Hint("link", "Sagen Sie im Text, wohin der Link führt, zum Beispiel „Mehr zur Umleitung:“.")


def _find_shouting(text: str) -> Iterator[str]:
    shouted = [word for word in _WORD.findall(text) if len(word) >= MIN_SHOUTED_LETTERS and word.isupper()]
    if shouted:
        yield f"Großbuchstaben sind schwer zu lesen und klingen laut: „{shouted[0]}“."
    if "!!" in text:
        yield "Ein Ausrufezeichen genügt."


def _find_past_dates(text: str, today: date) -> Iterator[str]:
    for match in _DAY.finditer(text):
        day, number, year, name, other_year = match.groups()
        month = int(number) if number else MONTHS.index(name) + 1
        mentioned = find_day(int(day), month, year or other_year, today, today - HALF_YEAR)
        if mentioned is None:
            yield f"Diesen Tag gibt es nicht: {match[0]}."
        elif mentioned < today:
            yield f"Der {mentioned:%d.%m.%Y} ist schon vorbei."


def _find_emoji(text: str) -> Iterator[str]:
    # A degree sign is no picture, though of the same category.
    count = sum(unicodedata.category(letter) == "So" and letter != "°" for letter in text)
    if count > MAX_EMOJI:
        yield f"{count} Bildzeichen: Vorleseprogramme sprechen jedes aus. Höchstens {MAX_EMOJI} sind gut."


def _find_long_sentences(text: str) -> Iterator[str]:
    for sentence in _SENTENCE_END.split(text):
        words = sentence.split()
        if len(words) > MAX_SENTENCE_WORDS:
            beginning = " ".join(words[:4])
            yield f"Der Satz „{beginning} …“ hat {len(words)} Wörter. Bis {MAX_SENTENCE_WORDS} sind gut lesbar."


def _find_long_words(text: str) -> Iterator[str]:
    long = [word for word in _WORD.findall(text) if len(word) > MAX_WORD_LETTERS and "-" not in word]
    if long:
        yield f"„{long[0]}“ ist ein langes Wort. Geht es kürzer oder mit einem Bindestrich?"


def find_similar(headline: str, others: Sequence[tuple[str, datetime]]) -> tuple[tuple[str, datetime], ...]:
    """Return the headlines, with their times, that share most of their words with this one."""
    return tuple(
        (other, at) for other, at in others if fuzz.token_sort_ratio(headline.lower(), other.lower()) >= MIN_SIMILARITY
    )
