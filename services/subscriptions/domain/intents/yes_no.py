"""Detection of a bare "Ja" or "Nein", which counts only after a question of ours."""

from services.subscriptions.domain.intents.text import read_words, tokenize
from services.subscriptions.domain.intents.vocabulary import POLITE

_YES = read_words("""ja jaa jo joo jau jep jepp jap jupp jawohl jawoll jaha yes yep yeah gern gerne natuerlich klar
    sicher selbstverstaendlich unbedingt genau richtig stimmt einverstanden evet tak oui si da так да نعم بله""")
_YES_AROUND = read_words("""ich wir moechte moechten will wollen wuerde das es sehr na doch so ist mich mir uns jetzt
    bitte sofort machen mach tun ok okay""")
_NO = read_words("""nein nee ne noe nö naa nope no nicht keinesfalls niemals hayir nie non nu ні нет لا نه""")
_NO_AROUND = read_words("""ich wir moechte moechten will wollen das es lieber jetzt noch doch aber auf keinen fall gar
    mich erstmal """)
MAX_WORDS = 6


def is_yes(text: str) -> bool:
    """Return whether the text is only a yes: "Ja bitte", "sehr gerne", "Ja, das möchte ich"."""
    said = _extract_words(text)
    return bool(said & _YES) and said <= _YES | _YES_AROUND


def is_no(text: str) -> bool:
    """Return whether the text is only a no: "Nein danke", "nö", "lieber nicht"."""
    said = _extract_words(text)
    return bool(said & _NO) and said <= _NO | _NO_AROUND


def _extract_words(text: str) -> set[str]:
    words = tokenize(text)
    return {word for word in words if word not in POLITE} if len(words) <= MAX_WORDS and "?" not in text else set()
