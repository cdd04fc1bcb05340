"""Signs of a request to erase all data, and words about erasing that request nothing."""

import re
from collections.abc import Sequence
from functools import cached_property

from services.subscriptions.domain.intents import phrases
from services.subscriptions.domain.intents.text import CitizenText, Signs, read_words
from services.subscriptions.domain.intents.vocabulary import (
    CANNOT,
    FAMILY,
    FILLER_WORDS,
    HOW,
    LEAVE_US,
    NEVER,
    NO,
    OTHER_BUSINESS,
    STOP,
    STOP_ALONE_WORDS,
    STOP_WORDS,
)

MAX_SHORT_WORDS = 4
_BETWEEN = read_words("""mich uns jetzt bitte sie wieder das den die mir t es wirklich etwa einfach aber noch sofort
    gleich""")
# "Bitte nichts löschen"
_NOTHING = read_words("nichts nix")
_WITH_OBJECT = read_words("loeschen abbestellen weglassen streichen kuendigen entfernen abschalten")
_BEYOND = read_words("nur erst mehr weiter laenger")
_I_LEAVE = read_words("kuendige widerrufe storniere beende")
# "Abmelden will ich mich nicht"
_REFUSALS = {(wish, who) for wish in read_words("will moechte wollen moechten werde tu tue") for who in ("ich", "wir")}
ERASE = read_words("""loeschen loesche loescht loeschung loeschantrag loesch vergesst loschen losche geloescht delete
    erase silmek silin sil حذف
    видалити удалить usun usunac vergessen vernichten""")
_PERSONAL = read_words("""daten data nummer telefonnummer handynummer rufnummer mich konto account number profil kontakt
    persoenlichen personenbezogenen dsgvo verilerimi alles alle dane данi дані данные بياناتي""")
_LISTS = read_words("verteiler liste gruppe kanal newsletter abo abonnement")
_ERASING = (
    ERASE
    | _PERSONAL
    | FILLER_WORDS
    | HOW
    | read_words("""recht vergessenwerden art artikel 17 gespeicherten gespeichert persoenliche saemtliche vollstaendig
        system datenbank sollen dass beantrage verlange fordere gemaess kind meiner moje moich saemtlicher""")
)
_RELATIVES = read_words("kind mutter vater verstorben verstorbenen")
_ERASED = re.compile(
    r"\b(?:loesch\w* (?:\w+ ){0,2}alles (?:\w+ ){0,4}(?:ueber mich|von mir|zu mir)|"
    r"(?:loesch\w*|vergiss|vergesst|vergessen)(?: sie)? (?:mich|uns)$|^(?:\w+ ){0,3}loeschantrag$|(?:beantrage|"
    r"verlange|fordere) "
    r"(?:\w+ ){0,3}loeschung|alles (?:\w+ ){0,3}geloescht|(?:alte|diese) (?:\w+ )?nummer (?:\w+ ){0,2}(?:loeschen|"
    r"entfernen)|recht auf (?:loeschung|vergessen\w*)|(?:loesch\w*|vernicht\w*)(?: sie)? (?:\w+ ){0,3}(?:meine|die|"
    r"diese|saemtliche|"
    r"alle) (?:\w+ )?(?:daten|nummer|telefonnummer|handynummer|rufnummer)|(?:meine|meiner|alle|saemtliche|"
    r"die) (?:\w+ ){0,2}"
    r"(?:daten|nummer|handynummer|telefonnummer) (?:\w+ ){0,4}(?:loeschen|geloescht|vernichten)|alles (?:\w+ ){0,2}"
    r"(?:ueber mich|von mir) (?:\w+ ){0,2}(?:loeschen|geloescht)|"
    r"(?:was|daten) (?:von mir|ueber mich) (?:\w+ ){0,3}loesch\w*|loeschung (?:\w+ ){0,2}(?:meiner|aller|"
    r"der) (?:\w+ )?daten)\b"
)
# "Vergessen!", "Nummer vergessen": more often about what the sender forgot than what we should forget
_FORGETTING = read_words("vergessen")
_FORGET = re.compile(
    r"\bvergessen sie\b(?! s\b)|\b(?:von mir|ueber mich|meine daten bitte|(?:bitte|alle) meine daten|mich bitte)\b"
)
# The sender has another number by now, and may write from it.
_FORMER_NUMBER = re.compile(r"\balten? (?:handy|telefon|ruf)?nummer\b")
_ALL_MINE = re.compile(r"\bmeiner? (?:\w+ )?daten\b|\balles (?:\w+ )?loesch")
# "Wann werden meine Daten gelöscht?", "Werden meine Daten gelöscht, wenn ich mich abmelde?"
_ASKS_WHETHER = re.compile(
    r"^(?:\w+ ){0,2}(?:wann|ob|warum|wieso|weshalb|welche) .*\bgeloescht\b|"
    r"^(?:werden|wird|wurden|sind) .*\bgeloescht\b|\bund wann (?:\w+ ){0,6}geloescht\b"
)
# Words of a sentence with another meaning than "alle meine Daten löschen".
_FINITE = HOW | read_words(
    "habe hab haben hat ist sind war bin wird werden wurde wurden lassen lasst lass sei seid dass"
)
# "Vergessen Sie mich nicht", "löschen Sie meine Nummer bitte nicht"
_KEEPS = re.compile(
    r"\b(?:vergiss|vergesst|vergessen|loesch\w*)(?: sie)? (?:mich|uns|(?:meine|unsere) \w+) "
    r"(?:bitte |bloss |ja |auch )*nicht\b"
)
# "Hab das Bild aus Versehen gelöscht", "mein Handy hat alle Chats gelöscht": deleted on the sender's own phone.
_DELETED = re.compile(
    r"^(?!.*\b(?:will|wollen|wollte|moechten?|wuerden?|wuenschen?|dass|gehoer\w*|start)\b.* geloescht\b).*"
    r"\b(?:versehentlich|aus ?versehen|(?:bild|foto|video|link|datei|anhang)\w*|chats|handy) "
    r"(?:(?!angemeldet|mich|uns|soll\w*|muss|muessen|bitte)\w+ ){0,6}geloescht\b(?! werden)|"
    r"\bgeloescht (?:\w+ ){0,2}(?:handy|telefon|smartphone|tablet)\b|"
    r"\bgeloescht\b.* (?:nochmals?|noch ?mal|noch einmal|erneut)\b"
)
# "Ich hab auf meinem Handy alles gelöscht": a report, not a request.
_REPORTED = re.compile(r"\b(?:hab|habe|hat|wurden?) (?:\w+ ){0,8}geloescht\b(?! (?:werden|wird|haben))")
# "Alles gelöscht auf meinem Handy" reports, "alles gelöscht haben" and "soll gelöscht werden" request.
_TO_BE_DELETED = read_words("""werden wird haben will moechte soll sollen muss muessen wuensche bitte gehoert gehoeren
    sein beantrage verlange""")
LEAVING = STOP_WORDS | ERASE | read_words("aufhoeren aufhoert")
# Words that show that somebody who deleted something may also want to leave.
_BESIDE_DELETED = (LEAVING | NO | STOP_ALONE_WORDS) - read_words("geloescht aus weg")
NOT_THAT = re.compile(r"\bnicht dass (?:\w+ ){0,3}(?:aufhoer\w*|abmelde\w*|stopp\w*|loesch\w*)\b")
# "Stop und alles löschen", but neither "Abmeldung löschen" nor "Stop, vergessen".
_ERASE_ALL = ERASE - read_words("vergessen vergesst")
_NOUNS = read_words("abmeldung abbestellung austragung kuendigung widerruf")
_ALL_OF_ME = read_words("ich wir mich uns alles sie will wollen moechte moechten werden lassen auch dann jetzt mit")


class EraseSigns(Signs):
    """Signs of an erasure in a phrase."""

    @cached_property
    def is_erasure(self) -> bool:
        """Return whether the person wants their data erased, which ends the subscription as well."""
        words, erase_words = self.word_set, self.word_set & ERASE
        if not erase_words or words & FAMILY or {"neue", "nummer"} <= words or self.has_deleted:
            return False
        if self.is_report or any(pattern.search(self.sentence) for pattern in (_ASKS_WHETHER, _KEEPS, NOT_THAT)):
            return False
        is_told = erase_words <= {"geloescht"} and not words & _TO_BE_DELETED
        if is_told or words & OTHER_BUSINESS - _RELATIVES or not has_undenied(self.words, ERASE):
            return False
        if "daten" not in words and any(word.endswith("verteiler") for word in words):
            return False  # "Meine Nummer bitte aus dem Verteiler löschen"
        if _ERASED.search(self.sentence):
            return True
        if self._is_forgetting or (words & _LISTS and not words & {"daten", "nummer"}):
            return False
        if "daten" in words and words <= _ERASING | STOP_WORDS:
            return True
        return words <= ERASE or (words <= _ERASING and bool({"geloescht", "werden"} <= words or words & _PERSONAL))

    @property
    def _is_forgetting(self) -> bool:
        """Return whether "vergessen" may mean what the sender forgot: it does not in "vergessen Sie meine Daten"."""
        return self.word_set & ERASE <= _FORGETTING and not _FORGET.search(self.text.sentence)

    @property
    def is_stop_and_erasure(self) -> bool:
        """Return whether the text is only about stopping and erasing: "Stop und alles löschen"."""
        erasing = self.word_set & _ERASE_ALL
        stopping = self.word_set & ((STOP | LEAVE_US) - (_NOUNS if "loeschung" not in erasing else set()))
        if not (erasing and stopping) or self.text.asks or (erasing == {"geloescht"} and "werden" not in self.word_set):
            return False
        return self.word_set <= erasing | stopping | _ALL_OF_ME

    @property
    def is_erasure_doubtful(self) -> bool:
        """Return whether erasing is only a question or hypothetical, or about another number than the sender's own."""
        is_former = _FORMER_NUMBER.search(self.text.sentence) and not _ALL_MINE.search(self.text.sentence)
        if is_former or phrases.IN_THEORY.search(self.text.sentence):
            return True
        return all(_is_hypothetical(sentence) for sentence in self.text.sentences if sentence.word_set & ERASE)

    @cached_property
    def is_report(self) -> bool:
        """Return whether somebody reports that something was deleted: "Das Gewitter hat alles gelöscht"."""
        return bool(_REPORTED.search(self.sentence))

    @cached_property
    def has_deleted(self) -> bool:
        """Return whether somebody only reports a deletion on their own phone."""
        if "geloescht" not in self.word_set or self.word_set & _BESIDE_DELETED or phrases.FED_UP.search(self.sentence):
            return False
        return bool(_DELETED.search(self.sentence))


def _is_hypothetical(sentence: CitizenText) -> bool:
    is_polite_request = phrases.ASKED_OF_US.search(sentence.sentence) and {"bitte", "please"} & sentence.word_set
    is_request = phrases.REQUESTS.search(sentence.sentence) or not _FINITE & sentence.word_set
    is_question = sentence.asks and not is_polite_request
    return is_question or not is_request or bool(phrases.NO_REQUEST.search(sentence.sentence))


def has_undenied(words: Sequence[str], targets: frozenset[str]) -> bool:
    return any(word in targets and not is_denied_word(words, index) for index, word in enumerate(words))


def is_denied_word(words: Sequence[str], index: int) -> bool:
    """Return whether a negation belongs to the word. Somebody who "cannot" unsubscribe wants to."""
    after = [word for word in words[index + 1 :] if word not in _BETWEEN]
    if after[-1:] == ["nicht"] and tuple(after[:2]) in _REFUSALS:
        return True
    if set(words) & CANNOT:
        return False
    before = [word for word in words[max(0, index - MAX_SHORT_WORDS) : index] if word not in _BETWEEN]
    if words[index] in _I_LEAVE and after[:1] == ["nicht"] and not _BEYOND & set(after[1:2]):
        return True  # "Keine Sorge, ich kündige nicht"
    negations = NEVER | _NOTHING if words[index] in _WITH_OBJECT else NEVER  # "Ich will nichts löschen lassen"
    return bool(before and before[-1] in negations) or after == ["nicht"]
