"""Signs of questions about the channel itself, and of feedback."""

import re

from services.subscriptions.domain.intents.intent import MAX_FEEDBACK_LENGTH, Intent, ParsedIntent
from services.subscriptions.domain.intents.text import Signs, read_words
from services.subscriptions.domain.intents.vocabulary import FILLER_WORDS, HOW, PLACE_WORDS

MAX_SHORT_WORDS = 2
MAX_STAR_WORDS = 3

_STARS = re.compile("[\N{WHITE MEDIUM STAR}\N{GLOWING STAR}\N{BLACK STAR}]")

_FEEDBACK = re.compile(
    r"^\W*(?:(?:hier )?(?:mein|meine|unser|unsere) )?"
    r"(?:feedback|r(?:ü|ue)ckmeldung|lob|kritik|anregung|verbesserungsvorschlag|vorschlag|bewertung|beschwerde|"
    r"meinung|wunsch|geri bildirim|"
    r"opinia|відгук)\b(?P<colon>[\s:,.;–-]*)(?P<text>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_DATA = read_words("""auskunftsersuchen auskunftsanfrage daten data auskunft datenauskunft gespeichert dsgvo verilerim
    verilerimi dane данi дані данные
    بياناتي datenkopie selbstauskunft""")
_DATA_AROUND = (
    HOW
    | FILLER_WORDS
    | _DATA
    | read_words("""welche anfordern zeigen zeig sehen einsehen kopie art artikel 15 gemaess persoenlichen
        personenbezogenen wissen anfrage verlange beantrage habt wisst speichern weiss speichert personenbezogene which
        what about stored have""")
)
_KNOWING = read_words("wisst wissen speichern speichert gespeichert")
_OF_ME = read_words("mich mir uns meine meiner ihr sie") | _KNOWING - {"wissen"}
_DATA_PART = re.compile(r"(?:meine )?daten ?(?:teil ?)?(?P<part>[0-9]{1,3})")
_HELP = read_words("""hilfe help menu menue befehle anleitung bedienung kommandos yardim مساعدة допомога помощь
    unterstuetzung pomoc optionen funktionen""")
_HELP_AROUND = (
    HOW
    | FILLER_WORDS
    | _HELP
    | read_words("""verstehe nichts verstanden benutze nutze benutzt bedient bediene nutzt weiss erklaerung komme klar
        kapier kapiere welche gibt gibts""")
)
_NOT_UNDERSTOOD = read_words("kapier kapiere erklaerung bediene bedient benutzt verstehe versteh verstehen")
_ODD = re.compile(
    r"\b(?:ist (?:das|dies|es) (?:\w+ )?(?:betrug|fake|echt|serioes|abzocke|spam|ein trick)|(?:kenne|kennen|"
    r"kennt) (?:ich )?"
    r"(?:sie|euch|mich|dich|ihr) (?:\w+ )?nicht(?! (?:\w+ ){0,3}aus\b)|"
    r"kenne (?:ich )?(?:diese|die|ihre) nummer nicht|"
    r"unbekannte nummer|kenne ich (?:sie|euch|dich)|woher kennen sie|kennt ihr mich|"
    r"(?:was|wer) (?:wollen|willst|wollt) (?:\w+ )?(?:von mir|von uns)|wer (?:hat|gab) (?:\w+ ){0,2}"
    r"(?:meine )?(?:handy|telefon|ruf)?nummer|"
    r"(?:warum|wieso|weshalb) (?:\w+ ){0,3}meine (?:handy|telefon|ruf)?nummer|"
    r"(?:das|dies) (?:\w+ )?(?:nicht|nie) (?:bestellt|abonniert)|datenschutz\w*|impressum)\b"
)
_NEVER = re.compile(r"\b(?:nie|nicht|niemals) (?:\w+ ){0,2}(?:angemeldet|abonniert|bestellt)\b")
_WHY = read_words("wem warum wieso weshalb woher wer datenschutz impressum why who neden чому почему dlaczego")
_WHY_AROUND = (
    HOW
    | FILLER_WORDS
    | _WHY
    | read_words("""bekomme erhalte kriege habt sowas krieg dauernd staendig ploetzlich zeug handynummer kommt schreibst
        du kontakt adresse kennen bist steckt dahinter are angemeldet this getting is""")
)
_INFO = read_words("info infos information informationen")
_WHAT_TOPICS = re.compile(
    r"\b(?:stelle|stell|lege|waehle|suche|bestimme) (?:ich|man) (?:\w+ ){0,3}(?:was|welche)\b|"
    r"\b(?:aussuchen|auswaehlen|waehlen|bestimmen|festlegen|entscheiden|einstellen|eingrenzen|filtern) "
    r"(?:\w+ ){0,2}(?:was|welche[mnrs]?|worueber|wovon|woraus)\b|"
    r"\b(?:was|welche|worueber) (?:\w+ ){0,5}(?:aussuchen|auswaehlen|waehlen|bestimmen|einstellen)\b|"
    r"^(?:worueber (?:informier\w*|schreib\w*|berichte\w*)\b|was (?:schickt|schicken|sendet|senden) (?:ihr|sie)\b|"
    r"(?:was|welche|worueber|wozu) (?:\w+ ){0,4}(?:alles|themen|abonnieren|auswaehlen|angebot\w*|auswahl)\b"
    r"(?! loeschen)|(?:was|welche) (?:\w+ ){0,3}(?:nachrichten|infos|meldungen) (?:gibt|gibts|kann|bekomme|habt|haben|"
    r"kriege)\b)"
)
_WHAT_HAPPENS = re.compile(
    r"^(?:\w+ ){0,2}was (?:passiert|geschieht|bedeutet|heisst|bewirkt|macht|kommt) (?:\w+ ){0,5}"
    r"(?:start|stop|stopp|pause|themen|anmelde\w*|abmelde\w*|antworte|schreibe|anmeldung|abmeldung)\b|"
    r"^(?:und )?(?:wenn|falls|sobald) (?:ich|man) (?:\w+ ){0,3}(?:start|stopp?|pause|themen|weiter|loeschen|daten) "
    r"(?:schreib\w*|schick\w*|antwort\w*|sag\w*|tipp\w*|send\w*|eingeb\w*)"
)


class QuestionSigns(Signs):
    """Signs of a question or of feedback in a phrase."""

    @property
    def question(self) -> ParsedIntent | None:
        """Return the intent that answers a question: DATA, WHY, HELP or TOPICS; None if there is none."""
        words = self.word_set
        if not words:
            return ParsedIntent(intent=Intent.HELP) if self.text.asks and not self.text.words else None
        if data_request := self._data_request:
            return data_request
        if words & _WHY and words <= _WHY_AROUND:
            return ParsedIntent(intent=Intent.WHY)
        if _ODD.search(self.sentence) or _NEVER.search(self.sentence):
            return ParsedIntent(intent=Intent.WHY)
        if len(self.text.words) <= MAX_SHORT_WORDS and words <= _INFO:
            return ParsedIntent(intent=Intent.HELP)
        if {"was"} < words <= _DATA_AROUND and words & _KNOWING and words & _OF_ME:
            return ParsedIntent(intent=Intent.DATA)
        if _WHAT_TOPICS.search(self.sentence):
            return ParsedIntent(intent=Intent.PLACES if words & PLACE_WORDS else Intent.TOPICS)
        return ParsedIntent(intent=Intent.HELP) if self._is_for_help or self.asks_what_happens else None

    @property
    def asks_what_happens(self) -> bool:
        """Return whether somebody asks what a word would do: "Wenn ich Stop schreibe, …?"."""
        return bool(_WHAT_HAPPENS.search(self.sentence))

    @property
    def feedback(self) -> ParsedIntent | None:
        """Return FEEDBACK with the text after a word such as "Feedback", which may be empty; None without it."""
        match = _FEEDBACK.match(self.text.raw)
        if match is None:
            return None
        text = match["text"].strip()
        # "Vorschlag der Woche" is not feedback without a colon; "Feedback" and "Rückmeldung" need none.
        needs_no_colon = self.text.raw.casefold().lstrip().startswith(("feedback", "rückmeldung", "rueckmeldung"))
        if text and not needs_no_colon and ":" not in match["colon"]:
            return None
        return ParsedIntent(intent=Intent.FEEDBACK, text=text[:MAX_FEEDBACK_LENGTH])

    @property
    def stars(self) -> ParsedIntent | None:
        """Return FEEDBACK if a text is a rating in stars, with a few words at most; None if it is not."""
        if not _STARS.search(self.text.raw) or len(self.text.words) > MAX_STAR_WORDS:
            return None
        return ParsedIntent(intent=Intent.FEEDBACK, text=self.text.raw.strip()[:MAX_FEEDBACK_LENGTH])

    @property
    def _data_request(self) -> ParsedIntent | None:
        part = _DATA_PART.fullmatch(self.sentence)
        if part:
            return ParsedIntent(intent=Intent.DATA, part=int(part["part"]))
        is_request = self.word_set & _DATA and self.word_set <= _DATA_AROUND
        return ParsedIntent(intent=Intent.DATA) if is_request else None

    @property
    def _is_for_help(self) -> bool:
        """Return whether somebody asks how to use this: "Wie funktioniert das hier?", "Was kann ich schreiben?"."""
        if self.word_set & (_HELP | _NOT_UNDERSTOOD) and self.word_set <= _HELP_AROUND | _NOT_UNDERSTOOD:
            return True
        return bool(self.word_set & {"wie", "was"}) and self.word_set <= _HELP_AROUND and len(self.word_set) > 1
