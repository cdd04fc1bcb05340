"""Web addresses in text: anything that a phone may turn into a link, with or without `https://`."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cache
from importlib import resources
from ipaddress import AddressValueError, IPv4Address

OMITTED = "[…]"  # shorter than any address
MAX_LABEL_LENGTH = 63

_PATH = r"[a-z0-9._~:/?#@!$&'()*+,;=%-]*"  # a phone ends a link at any other character, and may begin the next one
_URL = re.compile(rf"https?://([^\s/?#]*){_PATH}")
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+(?![\w/@-])")
# No pattern may start inside text that it has already scanned: that would make it slow for a hostile text.
_DOTTED = re.compile(rf"([\w-]+(?:\.[\w-]+)*)(:\d+)?(/{_PATH})?")
_MARK = "\u0300"
_INNER_MARKS = re.compile(rf"(?<=[\w-]){_MARK}+")
_NO_LETTER = re.compile(r"\W")
_SYMBOLS = re.compile(r"[^\w.-]+")
_AROUND_A_HOST = ".,;:!?()[]{}<>\"'«»‹›„“”‚‘’…*_~"
_FULL_STOP = re.compile(r"(?<=\w)\.(?=[A-ZÄÖÜ])")


def contains_foreign_host(text: str, hosts: Collection[str]) -> bool:
    """Return whether the text may contain a link to a host outside `hosts`. A mail address is not a link."""
    return any(host not in hosts for host in _find_hosts(_normalize_text(text), hosts))


def replace_foreign_hosts(text: str, hosts: Collection[str]) -> str:
    """Return the text with `[…]` in place of such addresses.

    A full stop without a space after it may look like a domain (`gesperrt.In Worpswede`): then add the space.
    """
    return " ".join(_replace_if_foreign(word, hosts) for word in text.split(" "))


def _replace_if_foreign(word: str, hosts: Collection[str]) -> str:
    if not contains_foreign_host(word, hosts):
        return word
    spaced = _FULL_STOP.sub(". ", word)
    if not contains_foreign_host(spaced, hosts):
        return spaced
    return OMITTED + word[len(word.rstrip(_AROUND_A_HOST)) :]


def _normalize_text(text: str) -> str:
    """Return the text as a browser reads it: normalized, in lower case and without invisible characters."""
    if not text.isprintable():
        text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", text.replace("…", " ")).replace("。", ".").lower()


def _find_hosts(text: str, hosts: Collection[str]) -> Iterator[str]:
    for url in _URL.finditer(text):
        yield url[1].rstrip(_AROUND_A_HOST).removesuffix(":443")
    rest = _URL.sub(" ", text)
    if "://" in rest:
        yield "://"  # another scheme, whose host is unknown
    rest = _MAIL.sub(" ", rest)
    masked, position = _mask_symbols(rest), 0
    while match := _DOTTED.search(masked, position):
        name, port = rest[match.start(1) : match.end(1)].strip("-"), match[2]
        is_known = name in hosts and port in (None, ":443")
        position = match.end() if is_known else match.end(1)
        yield from () if is_known else _find_domains(name, port or "")


def _mask_symbols(text: str) -> str:
    """Return a text of the same length, with `ä` for each symbol (such as an emoji) or mark that a host may contain."""
    masked = text.replace("_", "~")  # never in a host; around one, it marks italics in WhatsApp
    if masked.isascii():
        return masked
    return _INNER_MARKS.sub(lambda match: "ä" * len(match[0]), "".join(map(_mask_character, masked)))


def _mask_character(letter: str) -> str:
    category = "" if letter.isascii() else unicodedata.category(letter)[0]
    return {"S": "ä", "M": _MARK}.get(category, letter)


def _find_domains(name: str, port: str) -> Iterator[str]:
    """Yield each prefix that ends in a top-level domain, as phones recognise one in `evil.example.Und`."""
    labels = name.split(".")
    for last, label in enumerate(labels[1:], start=1):
        candidates = (label, label.partition("-")[0], _NO_LETTER.split(label, maxsplit=1)[0])
        for top_level in filter(_is_top_level, candidates):
            yield ".".join((*labels[:last], top_level)) + port
    yield from filter(_is_ip, (part.strip("-.") for part in _SYMBOLS.split(name)))


def _is_top_level(label: str) -> bool:
    if len(label) > MAX_LABEL_LENGTH:
        return False
    return (label if label.isascii() else f"xn--{label.encode('punycode').decode()}") in _load_top_level_domains()


def _is_ip(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True


@cache
def _load_top_level_domains() -> frozenset[str]:
    lines = resources.files(__package__).joinpath("tlds.txt").read_text(encoding="ascii").splitlines()
    return frozenset(line.lower() for line in lines if not line.startswith("#"))
