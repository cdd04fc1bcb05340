"""Signs that somebody should call 112 or 110 instead of using this channel."""

import re
from functools import cached_property

from services.subscriptions.domain.intents.text import Signs, read_words

_ALWAYS = read_words("""notruf notrufe notfall notfaelle notarzt notfallnummer ueberfall ueberfallen einbrecher
    herzinfarkt schlaganfall bewusstlos bewusstlose krankenwagen rettungswagen lebensgefahr ertrinkt emergency
    ambulance vergewaltigt suizid selbstmord umbringen amoklauf geiselnahme messerstecherei schiesserei brandstiftung
    brustschmerzen eingesperrt ertrunken ertrinken messerangriff erstochen yangin kaza ambulans polis حريق النجدة
    допоможіть пожар вбивають помогите pozar pomocy ratunku brustschmerz 112 110 acil imdat اسعاف طوارئ швидка пожежа
    скорая wypadek pogotowie fruchtblase kohlenmonoxid amok pulsadern krampfanfall""")
_URGENT = read_words("""feuer brennt brand einbruch unfall verletzt verletzte verletzter verletzten blutet polizei
    feuerwehr rettungsdienst sanitaeter rauch gasgeruch explosion schlaegerei bedroht bedroh angegriffen
    fire police accident hochwasser ohnmaechtig vergiftet eingeklemmt""")
_HELP = read_words("hilfe help helft helfen imdat помогите допоможіть ratunku")
_NOW = _HELP | read_words("""schnell sofort dringend rufen ruft holen kommen kommt bitte hier gerade jetzt ich wir
    mein meine bei uns in im am auf der""")
_PLACE = read_words("""strasse str weg platz allee wald haus wohnung keller bahnhof see fluss nachbar nachbarin
    nebenan""")
_CALM = read_words("""wann darf duerfen erlaubt verboten fest feste uebung tag infos information informationen
    freiwillige freiwilligen verein jugendfeuerwehr stelle stellen bewerben bewerbung ausbildung beruf war gestern
    warum wieso wie wer sperrung gesperrt baustelle umleitung schutz gebuehr kosten oeffnungszeiten telefonnummer
    suche job geblitzt blitzer blitzt kontrolliert handy smartphone telefon""")
_CALLS = re.compile(
    r"\b(?:ins wasser (?:gesprungen|gestuerzt)|(?:person|kind|jemand|mann|frau|boot) (?:\w+ ){0,4}"
    r"untergegangen|(?:chest pain|heart attack|stroke|not breathing)|"
    r"(?:schiesst|schiessen) (?:\w+ )?(?:jemand|einer|er|auf)|"
    r"in (?:den|die|das|einen) \w+ gefallen|werde (?:\w+ ){0,2}(?:verfolgt|bedroht|"
    r"geschlagen|angegriffen)|"
    r"(?:mann|frau|jemand|typ|person) (?:\w+ ){0,2}mit (?:\w+ )?(?:messer|waffe|pistole)|bricht (?:\w+ ){0,4}ein\b|"
    r"(?:kind|sohn|tochter|mutter|vater|mama|papa|oma|opa|mann|frau) (?:\w+ )?(?:ist )?(?:verschwunden|weg|vermisst|"
    r"bewegt sich nicht|reagiert nicht|wacht nicht|krampft|im wasser|"
    r"atmet nicht|zusammengebrochen|gestuerzt|erstickt)|nicht mehr leben|bringe? mich um|mich umbringen|"
    r"das leben nehmen|lebensmuede|nicht mehr aufwachen|(?:will|moechte) (?:\w+ ){0,2}sterben|kill myself|want to die|"
    r"(?:schlagen|kommen|sehe) (?:\w+ )?flammen|(?:steht|stehen) (?:\w+ )?in flammen|"
    r"(?:wasser|pegel|flut) (?:\w+ )?steigt|(?:verlaufen|verirrt|weggelaufen) (?:\w+ ){0,6}(?:dement\w*|krank\w*|"
    r"zucker\w*|zittert|allein|dunkel|kalt|moor|wald)|(?:moor|wald|nebel) (?:\w+ ){0,2}(?:verlaufen|verirrt)|"
    r"(?:sitzen?|stecken?|haengen?) (?:\w+ ){0,4}fest\b|"
    r"(?:rauch|flammen) (?:\w+ ){0,2}aus (?:dem|der|einem|einer)|"
    r"riecht (?:\w+ ){0,3}gas|"
    r"gas (?:\w+ )?(?:riecht|stroemt|tritt aus)|keine luft|kann nicht atmen|baum (?:\w+ ){0,3}(?:auf auto|auf haus|"
    r"auf mensch\w*)|"
    r"(?:haus|wohnung|auto|dach|wald|scheune|feld|keller|garage) brennt)\b"
)
_DYING = re.compile(
    r"\b(?:suizid\w*|selbstmord\w*|freitod|umbringen|bringe? mich um|das leben nehmen|nicht mehr leben|sterben|"
    r"nicht mehr weiter ?leben|lebensmuede|tot sein|suicid\w*|kill myself|want to die|end my life)\b"
)
# Somebody who does not want to live, in words of a stop: "Seit er tot ist, will ich auch nicht mehr".
_DESPAIR = re.compile(
    r"\b(?:(?:will|mag|moechte|kann) (?:ich )?(?:\w+ ){0,2}nicht mehr (?:weiter ?)?leben|"
    r"(?:will|moechte) (?:ich )?(?:\w+ ){0,3}(?:sterben|tot sein)|"
    r"(?:waere?|waers) (?:ich )?(?:\w+ ){0,3}(?:tot|nicht mehr da)|"
    r"(?:leben|alles|weiterleben) (?:\w+ ){0,4}(?:keinen sinn|sinnlos)|"
    r"(?:vor (?:den|einen) zug|von (?:der|einer) bruecke|vom dach) (?:zu )?(?:werfe\w*|springe\w*|stuerze\w*|lege\w*)|"
    r"(?:mich (?:vermisst|braucht|merkt)|braucht mich) (?:\w+ ){0,2}(?:keiner|niemand)|"
    r"(?:mir|sich) (?:\w+ ){0,2}(?:was|etwas) (?:antun|anzutun)|"
    r"(?:spring|stuerz|werf)\w* (?:\w+ ){0,2}(?:von der bruecke|vor den zug)|"
    r"wenn (?:ich|es mich) (?:\w+ ){0,2}(?:nicht mehr|weg|tot|gibt)\b.*\b(?:merkts?|vermiss\w*|faellt|interessiert|"
    r"kuemmert|juckt) (?:\w+ ){0,3}(?:keine[rmn]?|niemand\w*)|"
    r"wenn ich (?:\w+ ){0,2}(?:nicht mehr da|tot|weg) bin\b.* besser\b|"
    r"(?:keiner|niemand) (?:\w+ ){0,4}(?:vermiss\w*|merk\w*)\b.*\b(?:tot|pillen|\w*tabletten|seil|strick)\b|"
    r"(?:tot|pillen|\w*tabletten|seil|strick)\b.*\b(?:merkts?|vermiss\w*) (?:\w+ ){0,3}(?:keine[rmn]?|niemand\w*)|"
    r"(?:pillen|\w*tabletten|schlafmittel) (?:\w+ ){0,3}(?:gesammelt|bereit)|ohne mich (?:\w+ ){0,4}besser|"
    r"abschiedsbrief (?:\w+ )?(?:geschrieben|fertig|liegt)|"
    r"(?:nie|nicht) (?:wieder|mehr) (?:auf(?:zu)?wachen|aufwache)|wache? (?:\w+ ){0,3}nicht mehr auf|"
    r"bringe? mich (?:\w+ )?um|schluss mit (?:dem|meinem|diesem) leben|wenn ich mich umbringe|"
    r"(?:will|moechte|mag) (?:\w+ ){0,2}nicht mehr da sein|"
    r"(?:do not|don ?t|dont|no longer) (?:\w+ )?(?:want|wanna|wish) (?:to )?(?:live|be alive|wake up)|"
    r"(?:want|wanna|going) (?:to )?(?:die|kill myself|end it all)|yasamak istemiyor\w*|olmek istiyor\w*|"
    r"не хочу (?:больше |більше )?жит[ьи]|(?:хочу|хочется) (?:умереть|померти)|nie chce (?:juz |wiecej )?zyc|"
    r"chce umrzec|vreau sa mor|quiero morir|voglio morire|"
    r"لا اريد ان اعيش|اريد ان اموت|(?:nu mai|no|non|ne) (?:\w+ )?(?:vreau|quiero|voglio|veux) (?:\w+ )?"
    r"(?:sa traiesc|vivir|vivere|vivre)|"
    r"(?:tot|gestorben|verstorben|einsam|verzweifelt)(?: \w+){0,3} (?:will|mag|kann) (?:ich )?"
    r"(?:(?:auch|so|einfach|eigentlich|selber|selbst|echt|wirklich) )*nicht mehr$)\b"
)
_NOTHING = read_words("nichts nix kein keine keinen")  # "Nichts mehr von der Polizei, Stop"
_MAX_WORDS = 25
MAX_EMERGENCY_WORDS = 14
MAX_SHORT_WORDS = 3


class EmergencySigns(Signs):
    """Signs of an emergency in a phrase."""

    @property
    def is_about_dying(self) -> bool:
        """Return whether the answer to an emergency should also name the crisis line."""
        return self.is_despair or bool(_DYING.search(self.sentence))

    @cached_property
    def is_despair(self) -> bool:
        """Return whether somebody does not want to live; this prevails over any word of leaving."""
        return bool(_DESPAIR.search(self.sentence))

    @cached_property
    def is_call(self) -> bool:
        """Return whether somebody reports an emergency: "Mein Kind ist weg"."""
        return bool(_CALLS.search(self.sentence)) and not self.word_set & _CALM

    @property
    def is_emergency(self) -> bool:
        """Return whether a text looks like an emergency.

        False alarms are acceptable: the answer costs a few cents and contains numbers that everybody should know.
        """
        words, length = self.word_set, len(self.words)
        if self.is_despair:
            return True
        if words & _ALWAYS or self.is_call:
            return length <= _MAX_WORDS
        if words & _CALM or self.text.asks or length > MAX_EMERGENCY_WORDS:
            return False
        if words & _URGENT:
            return length <= MAX_SHORT_WORDS or bool(words & _NOW)
        return bool(words & _HELP) and self._has_place

    @property
    def has_emergency_part(self) -> bool:
        """Return whether a part of the text looks like an emergency, whatever the other parts are about."""
        parts = (part for part in self.text.clauses if not _NOTHING & part.word_set)
        return any(EmergencySigns(part, part).is_emergency for part in parts)

    @property
    def _has_place(self) -> bool:
        """Return whether the text names a place: "Hilfe, ich bin in der Bahnhofstraße 5"."""
        has_street = any(word.endswith(("strasse", "str", "weg", "platz", "allee")) for word in self.words)
        return has_street or bool(self.word_set & _PLACE)
