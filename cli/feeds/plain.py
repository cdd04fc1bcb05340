"""HTML of the web becomes one line that WhatsApp takes."""

import re
import unicodedata
from html.parser import HTMLParser

_HIDDEN = frozenset({"script", "style", "template", "noscript", "head", "title"})
_INLINE = frozenset(
    {"a", "abbr", "b", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub", "sup", "u", "wbr"}
)
_BIDIRECTIONAL = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNWANTED = frozenset({"Cc", "Cs", "Co", "Cn"})
_BRACES = re.compile(r"\{{2,}|\}{2,}")
ELLIPSIS = "…"


class _Text(HTMLParser):
    """Collects what a reader would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag not in _INLINE:
            self.parts.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _INLINE:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag not in _INLINE:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain_line(markup: str) -> str:
    """The text of HTML (or of plain text) in one line, without what WhatsApp or our rules refuse."""
    reader = _Text()
    reader.feed(markup)
    reader.close()
    return one_line("".join(reader.parts))


def one_line(text: str) -> str:
    """White space becomes single spaces; control characters go, and so do marks of placeholders.

    Empty if nobody would see anything of it.
    """
    shown = " ".join("".join(_shown(letter) for letter in text).split())
    if all(letter == " " or unicodedata.category(letter) == "Cf" for letter in shown):
        return ""
    return _BRACES.sub(lambda found: found[0][0], shown)


def _shown(letter: str) -> str:
    if letter.isspace() or letter in "\x85\x1c\x1d\x1e\x1f":
        return " "
    if letter in _BIDIRECTIONAL or unicodedata.category(letter) in _UNWANTED:
        return ""
    return letter


def shortened(text: str, longest: int) -> str:
    """At most `longest` characters, ended after a whole word with an ellipsis; a word that is too long is cut."""
    if len(text) <= longest:
        return text
    room = longest - len(ELLIPSIS)
    if room <= 0:
        return ELLIPSIS[:longest]
    kept = text[:room] if text[room : room + 1] == " " else _whole_words(text[:room])
    return kept.rstrip(" ,;:–-") + ELLIPSIS


def _whole_words(text: str) -> str:
    words, space, _ = text.rpartition(" ")
    return words if space and len(words) > len(text) // 2 else text
