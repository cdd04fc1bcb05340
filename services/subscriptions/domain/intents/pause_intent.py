"""Signs of a request for a pause, or for the end of a pause."""

import re
from functools import cached_property

from services.subscriptions.domain.intents import foreign_phrases
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.pause_limit import TIME_WORDS, PauseLimit, parse_limit
from services.subscriptions.domain.intents.phrases import MISSING, SILENCE
from services.subscriptions.domain.intents.text import CitizenText, Signs, read_words
from services.subscriptions.domain.intents.vocabulary import FILLER_WORDS, NO, POLITE, STOP_WORDS

_PAUSE = read_words("""pause pausieren pausiere pausiert unterbrechen unterbrechung unterbreche aussetzen pauza
    przerwa wstrzymac перерва пауза призупинити mola ara pausen stumm stummschalten pausierung urlaubspause break""")
_HOLIDAY = read_words("urlaub verreist ferien weg kur reha krankenhaus klinik unterwegs reise dienstreise")
_END = read_words("end beenden beende ende aufheben vorbei abbrechen aus stoppen fertig zurueck aufgehoben beendet")
_ON = read_words("""weiter fortsetzen fortfahren weitermachen weitergehen weiterschicken weitersenden resume continue
    gehts fortsetzung devam dalej далі продовжити""")
_AGAIN = read_words("""schicken schickt senden sendet einschalten anschalten aktivieren bekommen erhalten empfangen
    kriegen los losgehen""")
_BACK = read_words("da zurueck hause daheim")
_AROUND = (
    FILLER_WORDS
    | TIME_WORDS
    | _HOLIDAY
    | read_words("""mach bis solange so ostern pfingsten sommer winter herbst fruehling fruehjahr karfreitag himmelfahrt
    ostermontag pfingstmontag heiligabend nikolaus nach
    machen mache im am vor lang lange fuer ca etwa naechsten naechste kommenden naechster in
    einlegen gehe fahre ende anfang mitte monats jahres morgen weihnachten silvester neujahr jahresende einschliesslich
    for take a break the zeitweise kurz kurze kleine erstmal erst voruebergehend""")
)
_ASKING = read_words("kann koennt koennen koennte koennten wuerden wuerdet kannst geht moeglich man")
_FOR_NOW = re.compile(
    r"\b(?:vorerst|im moment|momentan|zur ?zeit|derzeit|voruebergehend|vorlaeufig|erst ?mal|"
    r"fuer (?:eine|ne) (?:weile|zeit)|eine zeit ?lang|so ?lange|in (?:der|dieser) zeit|"
    r"waehrend(?: des| meines| der)?|ueber (?:weihnachten|"
    r"die feiertage)|(?:danach|dann|hinterher|nachher|spaeter|morgen) (?:\w+ ){0,2}wieder)\b"
)
_AGAIN_PLEASE = re.compile(
    r"\bwieder (?:\w+ ){0,2}(?:einschalten|anschalten|aktivieren|senden|schicken|zuschicken|anstellen|freischalten|"
    r"aufnehmen|fortsetzen|anmachen)\b"
)
_ONLY_AGAIN = re.compile(
    r"^(?:(?:newsletter|nachrichten|meldungen|infos|kreisfunk|alles|kanal|dienst|abo) "
    r"(?:\w+ )?wieder an|(?:ab |jetzt |sofort |gerne? |ja |nun )*wieder)$"
)
# "До 1 февраля", "until 20 August", and what is to come afterwards: "sonra tekrar", "потом снова".
_FOREIGN_UNTIL = re.compile(
    r"\b(?:до|until|till|hasta|do|pana pe) (?:\w+ )?\d|"
    r"\b(?:until|till|jusqu a|hasta(?! (?:luego|pronto|nunca|siempre))) \w+|\b(?:sonra|sonrasi)\b|\btekrar\b|"
    r"\b(?:потом|затем|потім|снова|знову|reprene\w*|reprend\w*|ensuite|despues|otra vez|afterwards)\b|"
    r"\b(?:after that|then again|during|ramazan|ramadan|pendant|durante|podczas|boyunca)\b|المتابع|خلال|رمضان"
)
_QUIET = read_words("nichts nix ruhe")
# "Ich bin im Urlaub auf Juist, herrliches Wetter": small talk, unless the words of a request are there.
_SMALL_TALK = re.compile(
    r"\b(?:war|waren|hatten|wetter|strand|meer|sonne\w*|regnet|herrlich\w*|wunder\w*|traumhaft\w*|schoene?[rs]?|"
    r"geniess\w*|freuen|gruesse (?:aus|an|ans|von|in)|gelesen)\b"
)
_TIME_OFF = read_words("urlaub ferien reise reisen unterwegs verreist")
_REQUEST = read_words(
    "bitte solange lange wieder erst bis ruhe still funkstille lass lasst lassen zurueck zuhause daheim vorbei"
)
# "Bis Neujahr pausieren und danach nur noch Jobs": what is wanted after a pause.
_AFTERWARDS = re.compile(r"[\s,.;]+(?:und\s+)?(?:danach|anschließend|hinterher|nachher|dann)\b", re.IGNORECASE)
# "Bin ich noch in Pause?", "Wann geht es bei mir weiter?"
_ABOUT_OWN_PAUSE = re.compile(
    r"\b(?:wann|lange) (?:\w+ ){0,3}(?:meine pause|ist die pause|ich (?:\w+ ){0,3}(?:pause|pausiert))\b|"
    r"\bwann (?:bekommen?|kriegen?|krieg|erhalte) ich (?:\w+ ){0,2}wieder (?:was|etwas|nachrichten|meldungen|infos)\b|"
    r"\bwann (?:\w+ )?(?:geht|gehts) (?:(?:es|s|bei|fuer|mir|mich|uns|wieder|denn|dann|eigentlich|mit|den|nachrichten|"
    r"meldungen) )*weiter$|"
    r"\b(?:wann|lange|ist) (?:\w+ ){0,2}(?:die pause bei mir|bei mir die pause)\b|"
    r"^(?:bin|habe|hab) ich (?:\w+ ){0,3}(?:pause|pausiert)\b(?! ge)|^(?:ist|laeuft|geht|gilt) (?:\w+ )?meine pause\b"
)
# "Ab Februar könnt ihr wieder schreiben, vorher nicht"
_NOT_BEFORE = re.compile(r"\bwieder (?:\w+ ){0,2}(?:schreiben|schicken|senden|melden)\b.* vorher (?:\w+ )?nicht\b")
_FOREVER = re.compile(r"\b(?:fuer immer|dauerhaft|endgueltig|auf (?:dauer|ewig)|ewig|unbefristet|forever)\b")
_TEMPORARY = (
    _PAUSE
    | _HOLIDAY
    | TIME_WORDS
    | read_words("""bis solange waehrend erst erstmal vorerst vorlaeufig voruebergehend zeitweise einstweilen kurz
    ostern weihnachten sommer winter until till while during""")
) - read_words("ein eine einen einem einer ne nen one")
_SINCE = read_words("seit schon immer")


class PauseSigns(Signs):
    """Signs of a pause in a phrase."""

    @cached_property
    def limit(self) -> PauseLimit:
        """Return the length or end that the text states; an empty one if it states none."""
        return parse_limit(self.words, self.text.in_german)

    @property
    def pause(self) -> ParsedIntent:
        """Return PAUSE with its length or end."""
        return ParsedIntent(intent=Intent.PAUSE, **self.limit._asdict())

    @property
    def request(self) -> ParsedIntent | None:
        """Return PAUSE or RESUME if the text asks for it, else None."""
        if self.is_question:
            return ParsedIntent(intent=Intent.TOPICS)
        if self._is_resume or self._is_restart_request:
            return ParsedIntent(intent=Intent.RESUME)
        unwanted = foreign_phrases.STOP.search(self.sentence) or "no messages" in self.sentence
        foreign = _FOREIGN_UNTIL.search(self.sentence) and unwanted
        return self.pause if foreign or self._is_pause or self._is_silence else self._pause_before

    @property
    def is_question(self) -> bool:
        """Return whether somebody asks about their own pause; the answer with their topics says when it ends."""
        return bool(_ABOUT_OWN_PAUSE.search(" ".join(word for word in self.words if word not in POLITE)))

    @property
    def is_endless(self) -> bool:
        """Return whether the pause would never end: "Pause für immer"."""
        return bool(_FOREVER.search(self.sentence))

    @property
    def is_temporary(self) -> bool:
        """Return whether anything says that it is for a time: a length, an end, or a word."""
        return bool(self.limit or self.said & _TEMPORARY or _FOREIGN_UNTIL.search(self.sentence))

    @property
    def is_holiday_talk(self) -> bool:
        """Return whether somebody tells of a holiday and asks for nothing."""
        if not self.said & _TIME_OFF or self.said & (_PAUSE | _REQUEST | NO | STOP_WORDS) or self.limit:
            return False
        return bool(_SMALL_TALK.search(self.sentence))

    @cached_property
    def _joined(self) -> frozenset[str]:
        return frozenset(word for word in self.phrase.joined if not word.isdecimal())

    @property
    def _pause_before(self) -> ParsedIntent | None:
        """Return the pause that something else is to follow, which can be said again after it."""
        first, *rest = _AFTERWARDS.split(self.text.excerpt, maxsplit=1)
        if not rest or STOP_WORDS & CitizenText(rest[0]).said:
            return None
        before = CitizenText(first + "?" * self.text.asks)
        parsed = PauseSigns(before, before).request
        return parsed if parsed and parsed.has_limit else None

    @property
    def _is_pause(self) -> bool:
        said, asked = self._joined, self._joined & _PAUSE or (self._joined & _HOLIDAY and self.limit)
        if asked and said <= _PAUSE | _AROUND | STOP_WORDS | _ASKING and (not self.text.asks or said & _ASKING):
            return True
        if self.text.asks or not self.limit:
            return False
        return bool(_NOT_BEFORE.search(self.sentence)) or bool(said & _QUIET and said <= _AROUND | NO)

    @property
    def _is_silence(self) -> bool:
        """Return whether messages should stop for a while: "Bin bis 3.1. verreist, bitte so lange nichts schicken"."""
        if self.text.asks or MISSING.search(self.sentence) or self._joined & _SINCE:
            return False
        return bool(SILENCE.search(self.sentence)) and bool(_FOR_NOW.search(self.sentence) or self.limit)

    @property
    def _is_resume(self) -> bool:
        said = self._joined
        ending = said & _PAUSE and said & (_END | NO) and "bis" not in said
        if ending and said <= _PAUSE | _END | _AROUND | NO | _ON:
            return True
        if said & NO or said == {"weiter", "so"}:
            return False
        if said & _ON and said <= _ON | FILLER_WORDS | _HOLIDAY | _END | _ASKING:
            return True
        if said & (_BACK | _HOLIDAY) and said & (_END | {"wieder"}) and said <= _BACK | FILLER_WORDS | _HOLIDAY | _END:
            return True
        return "wieder" in said and bool(said & _AGAIN) and said <= FILLER_WORDS | _AGAIN | _HOLIDAY | _END | _ASKING

    @property
    def _is_restart_request(self) -> bool:
        """Return whether messages should resume: "Ich bekomme keine Nachrichten mehr, bitte wieder einschalten"."""
        parsed = self.sentence.removeprefix("bitte ").removesuffix(" bitte")
        return bool(_ONLY_AGAIN.search(parsed) or (_AGAIN_PLEASE.search(parsed) and MISSING.search(parsed)))
