"""Clauses of a longer text, each of which could be a request, and the removal of sign-offs."""

import re
from collections.abc import Sequence

from services.subscriptions.domain.intents.text import MAX_TEXT_LENGTH, tokenize
from services.subscriptions.domain.intents.vocabulary import SIGN_OFF

MAX_CLAUSES = 12
_MAX_SIGN_OFF_WORDS = 6
_BREAK = re.compile(
    r"(?<=[.!?])\s+|[;\n\r]+|,\s+(?!(?:dass|ob|wenn|wann|wie|was|wo|der|die|das|damit|um)\b"
    r"(?! (?:muss|kann|soll|geht|melde|mache|bekomme)\b))|\s[–—-]+\s|:\s+|"
    r"\s+\b(?:und(?=\s+(?:ich|wir|bitte|möchte|will|würde|hätte|zwar)\b)|aber|sondern|denn|weil|deswegen|deshalb|daher|trotzdem|"
    r"but|because)\b\s+",
    re.IGNORECASE,
)


def split_clauses(text: str) -> list[str]:
    """Return the parts between punctuation marks and some conjunctions; empty if there is only one."""
    parts = [part.strip() for part in _BREAK.split(text[:MAX_TEXT_LENGTH]) if part and tokenize(part)]
    return parts[:MAX_CLAUSES] if len(parts) > 1 else []


def strip_signature(words: Sequence[str], known: frozenset[str]) -> list[str]:
    """Return the words without "Mit freundlichen Grüßen" and the name after it, unless a `known` word follows it."""
    index = next((index for index, word in enumerate(words) if word in SIGN_OFF), 0)
    tail = words[index + 1 :]
    signed = index and len(tail) <= _MAX_SIGN_OFF_WORDS and not known & set(tail)
    return list(words[:index] if signed else words)
