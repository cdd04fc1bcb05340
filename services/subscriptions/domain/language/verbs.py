"""Verbs that German takes apart: "Melden Sie mich bitte an" is "anmelden"."""

from collections.abc import Sequence

from services.subscriptions.domain.language.spelling import vocabulary

_VERBS = {
    vocabulary("melde melden meldet meld"): {"an": "anmelden", "ab": "abmelden"},
    vocabulary("trage tragen tragt trag"): {"ein": "eintragen", "aus": "austragen"},
    vocabulary("nehme nehmen nehmt nimm nehm"): {"auf": "aufnehmen", "raus": "austragen", "heraus": "austragen"},
    vocabulary("setze setzen setzt setz"): {"aus": "aussetzen"},
    vocabulary("schreibe schreiben schreibt"): {"ein": "einschreiben"},
    vocabulary("schalte schalten schaltet"): {"frei": "freischalten"},
    vocabulary("fuege fuegen fuegt fueg"): {"hinzu": "hinzufuegen"},
    vocabulary("bestelle bestellen bestellt"): {"ab": "abbestellen"},
}
_PREFIXES = frozenset(prefix for prefixes in _VERBS.values() for prefix in prefixes)


def together(words: Sequence[str]) -> list[str]:
    """The words with the verb of the last prefix made whole, where the prefix stands: at the end."""
    if not words or words[-1] not in _PREFIXES:
        return list(words)
    for index in range(len(words) - 2, -1, -1):
        whole = _whole(words[index], words[-1])
        if whole:
            return [*words[:index], *words[index + 1 : -1], whole]
    return list(words)


def _whole(verb: str, prefix: str) -> str | None:
    return next((prefixes.get(prefix) for forms, prefixes in _VERBS.items() if verb in forms), None)
