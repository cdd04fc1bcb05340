"""Separable German verbs: "Melden Sie mich bitte an" is "anmelden"."""

from collections.abc import Sequence

from services.subscriptions.domain.intents.text import read_words

_VERBS = {
    read_words("melde melden meldet meld"): {"an": "anmelden", "ab": "abmelden"},
    read_words("trage tragen tragt trag"): {"ein": "eintragen", "aus": "austragen"},
    read_words("nehme nehmen nehmt nimm nehm"): {"auf": "aufnehmen", "raus": "austragen", "heraus": "austragen"},
    read_words("setze setzen setzt setz"): {"aus": "aussetzen"},
    read_words("schreibe schreiben schreibt"): {"ein": "einschreiben"},
    read_words("schalte schalten schaltet"): {"frei": "freischalten", "ab": "abschalten", "aus": "ausschalten"},
    read_words("stelle stellt stell"): {"ab": "abstellen", "aus": "ausstellen"},
    read_words("fuege fuegen fuegt fueg"): {"hinzu": "hinzufuegen"},
    read_words("bestelle bestellen bestellt"): {"ab": "abbestellen"},
}
_PREFIXES = frozenset(prefix for prefixes in _VERBS.values() for prefix in prefixes)


def join_separable_verb(words: Sequence[str]) -> list[str]:
    """Return the words with the last verb and its prefix joined at the end; unchanged if the last word is no prefix."""
    if not words or words[-1] not in _PREFIXES:
        return list(words)
    for index in range(len(words) - 2, -1, -1):
        whole = _find_whole_verb(words[index], words[-1])
        if whole:
            return [*words[:index], *words[index + 1 : -1], whole]
    return list(words)


def _find_whole_verb(verb: str, prefix: str) -> str | None:
    return next((prefixes.get(prefix) for forms, prefixes in _VERBS.items() if verb in forms), None)
