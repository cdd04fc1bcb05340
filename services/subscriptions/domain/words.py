"""What a citizen means: generous for leaving, strict for joining."""

import re
import unicodedata
from enum import StrEnum

from shared.contracts.inbound import InboundMessage


class Intent(StrEnum):
    """What one inbound message asks for; `NOTHING` is not answered."""

    START = "start"
    STOP = "stop"
    OTHER = "other"
    NOTHING = "nothing"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Kinds that a person sends on purpose. Reactions, edits, system notices, what WhatsApp does not support
# and whatever kind comes next are not answered.
SPOKEN_KINDS = _words("text button interactive image video audio document sticker location contacts order")
LONGEST = 300
SHORT = 4
STOP_SIGN = "\N{OCTAGONAL SIGN}"

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_STRETCHED = re.compile(r"(\w)\1{2,}")
_WORD = re.compile(r"[^\W_]+")

_POLITE = _words("bitte danke hallo moin guten tag")
_START = _words("start starten anmelden anmeldung abo abonnieren abonnement")
_STOP_ANYWHERE = _words("stop stopp")
_STOP = _STOP_ANYWHERE | _words("""stoppen stoppe stoppt stops abmelden abmeldung abbestellen abbestellung abbestelle
    austragen deabonnieren unsubscribe beenden kuendigen kuendigung entfernen loeschen""")
_STOP_ALONE = _words("ende end quit cancel optout aufhoeren schluss")
_NO_MORE = (
    _words("keine mehr"),
    _words("nicht mehr"),
    _words("kein mehr"),
    _words("kein abo"),
    _words("kein interesse"),
    _words("abo ende"),
    _words("aus verteiler"),
    _words("mich ab"),
)
# Words that may stand around a wish to leave without changing it. Whoever wants to sign off a car
# ("Auto abmelden") uses one that is not here.
_AROUND = _words("""ich moechte will wollen mich mir uns wir von vom dem den der das die diesen diese dieser dieses ihr
    ihre ihren ihrem mein meine meinen sie es hier alle alles allem jetzt sofort gern gerne wuerde endlich
    kanal newsletter verteiler liste nachricht nachrichten meldung meldungen infos info informationen whatsapp
    abo abonnement nummer daten werden aus ab mit zu zum haben hab erhalten bekommen empfangen schicken
    schickt senden sendet schreiben wieder und please my me the messages all keine mehr interesse
    kein nicht ihnen euch nehmen nehmt weiteren weitere nix melden melde meldet""")


def understand(message: InboundMessage) -> Intent:
    """The intent of one message: a button's payload first, then what was written."""
    if message.kind not in SPOKEN_KINDS:
        return Intent.NOTHING
    pressed = intent_of(message.payload or "")
    return intent_of(message.text or "") if pressed is Intent.OTHER else pressed


def intent_of(text: str) -> Intent:
    """Start, Stop or something else. Where both could be meant it is Stop."""
    if len(text) > LONGEST:
        return Intent.OTHER
    words = [word for word in words_of(text) if word not in _POLITE]
    if not words:
        return Intent.STOP if STOP_SIGN in text else Intent.OTHER
    if _leaves(words):
        return Intent.STOP
    return Intent.START if len(set(words)) == 1 and words[0] in _START else Intent.OTHER


def words_of(text: str) -> list[str]:
    """The words of a text in lower case: umlauts written out, no punctuation, no emoji."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    visible = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Cf", "Mn"))
    words = _WORD.findall(_STRETCHED.sub(r"\1", visible.translate(_UMLAUTS)))
    spelled_out = len(words) > 2 and all(len(word) == 1 for word in words)
    return ["".join(words)] if spelled_out else words


def _leaves(words: list[str]) -> bool:
    said = set(words)
    if said & {"nicht", "kein"} and said & _STOP and "mehr" not in said:
        return False  # "Bitte nicht abmelden"
    if said & _STOP_ANYWHERE and (len(words) <= SHORT or {words[0], words[-1]} & _STOP_ANYWHERE):
        return True
    asks = bool(said & _STOP) or any(phrase <= said for phrase in _NO_MORE)
    return said <= _STOP_ALONE or (asks and said <= _STOP | _AROUND | _STOP_ALONE)
