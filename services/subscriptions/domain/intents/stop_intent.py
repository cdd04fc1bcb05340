"""Signs of leaving, and words about it that request nothing."""

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

from services.subscriptions.domain.intents import foreign_phrases, phrases
from services.subscriptions.domain.intents.erase_intent import (
    ERASE,
    LEAVING,
    MAX_SHORT_WORDS,
    NOT_THAT,
    EraseSigns,
    has_undenied,
    is_denied_word,
)
from services.subscriptions.domain.intents.text import read_words, tokenize
from services.subscriptions.domain.intents.vocabulary import (
    FILLER_WORDS,
    HOW,
    LEAVE_US,
    NEVER,
    NO,
    OTHER_BUSINESS,
    OWN,
    POLITE,
    RECEIVED,
    START,
    STOP,
    STOP_ALONE_WORDS,
    STOP_SIGNS,
    STOP_WORDS,
    WISHED,
)

STOP_EMOJI = ("\N{OCTAGONAL SIGN}", "\N{NO ENTRY}", "\N{NO ENTRY SIGN}")
# "Ich bleibe aber", "bleibe gern dabei"; not "ich bleibe dabei: abmelden".
_REMAINS = re.compile(
    r"\bbleibe?n? (?:aber|gerne?|trotzdem|erst ?mal|doch|natuerlich|lieber)\b(?! (?:\w+ )?(?:nicht|weg)\b)|"
    r"\bbleibe? ich (?:aber|jedoch|dabei|gern)\b|\bich bleibe?(?: (?:hier|drin|angemeldet))?$|"
    r"\bwollte (?:mich|uns) (?:\w+ ){0,2}abmelden aber (?:\w+ ){0,5}(?:gut|super|toll|klasse|prima|hilfreich|bleibe?)\b"
)
# "Gut, dass man sich so leicht abmelden kann": about stopping, but no request.
_ABOUT_LEAVING = re.compile(
    r"\bdass man\b|\b(?:finde?|fand) (?:ich )?(?:\w+ ){0,3}(?:abmelden|abmeldung|abbestellen|kuendigung)\b"
)
# "Wie kann ich mich später abmelden?": about a stop that is not requested yet.
_SOME_DAY = re.compile(
    r"\b(?:spaeter|irgendwann|jederzeit|falls|eines tages)\b|^(?:muss|soll|sollte) (?:ich|man|wir)\b.* (?:wenn|bevor)\b"
)
# "Abmelden oder lieber nicht?", "Stop oder Weiter schreiben?"
_UNDECIDED = re.compile(
    r"\b(?:abmelden|abmeldung|kuendigen|aufhoeren|stoppen|stopp?) oder (?:doch |lieber |besser )?"
    r"(?:nicht|bleiben|weiter|start|pause)\b"
)
# "Vielleicht sollte ich das abbestellen", "ich denke darüber nach, mich abzumelden"
_PONDERING = re.compile(
    r"\b(?:vielleicht|vllt|eventuell|evtl|womoeglich) (?:doch |besser |lieber |wieder )?\w+ (?:ich|wir)\b|"
    r"\b(?:ich|wir) (?:\w+ )?(?:ueberleg\w*|denke|denken) (?:\w+ ){0,2}(?:ob|mich|nach)\b|\b(?:am|beim) ueberlegen\b|"
    r"\bueberleg\w* (?:ich|wir) (?:mir |uns )?(?:noch|gerade|grad)\b|\bschwanke\b|\bmit dem gedanken\b|^angenommen\b|"
    r"^(?:soll|sollte|sollten) (?:ich|wir) (?:mich|uns|das|kuendigen)\b|\bob (?:ich|wir) (?:mich|uns) abmelden soll\w*|"
    r"\b(?:werde?|werden) (?:(?:ich|wir|mich|uns|das|es) )*wohl (?:bald|demnaechst|irgendwann|kuendigen|abbestellen)\b|"
    r"\bmal (?:sehe?n|gucken|schauen)$|^(?:wie lange (?:dauert|braucht)|was kann (?:ich|man) abbestellen)\b|"
    r"^wenn (?:das|es|sich) (?:\w+ ){0,2}(?:weitergeht|aendert)\b|"
    r"^(?:falls|wenn|sollte) (?!es (?:geht|moeglich)).*\b(?:melde|kuendige|steige|werde?) ich\b|\bmaybe (?:i|we)\b|"
    r"\bthinking about leaving\b"
)
# "Nachts bitte nicht schreiben", "bitte keine Nachrichten nach 22 Uhr": no request to leave.
_WHEN = (
    r"(?:nachts|abends|morgens|mittags|nachmittags|feiertags|(?:mon|diens|donners|frei|sams|sonn)tags|"
    r"in der nacht|am wochenende|waehrend der (?:arbeit|arbeitszeit|schicht|nacht)|"
    r"(?:vor|nach|ab|zwischen) \d+(?: und \d+)? uhr(?: (?:morgens|frueh|abends|nachts))?)"
)
_REFUSED = r"(?:keine?|nicht|nichts|nix)(?: mehr)?"
_HOURS = re.compile(
    rf"(?:^|[.,;!?] ?)(?:(?:bitte|und|aber|also|nur) )*{_WHEN} (?:(?:bitte|moechte|will|ich|wir|mir|mich|uns|da) )*"
    rf"{_REFUSED}\b|"
    rf"\b{_REFUSED} (?:nachrichten |meldungen |infos )?{_WHEN}(?! (?:und|oder|sondern))\b"
)
# "Ich will auf keinen Fall raus aus dem Verteiler", "meldet mich nicht ab"
_KEEPS_IN = re.compile(
    r"^(?!.*\b(?:warum|wieso|weshalb)\b).*\b(?:melde\w*|meld|nehm\w*|nimm|trag\w*) (?:sie |ihr )?(?:mich|uns) "
    r"(?:\w+ ){0,2}nicht (?:ab|aus|raus|heraus)\b|"
    r"\b(?:will|moechte|wollen|moechten) (?:\w+ ){0,3}(?:nicht|keinen fall|keinesfalls) (?:hier |da )?(?:raus|weg)\b|"
    r"\blass\w*(?: sie)? (?:mich|uns) (?:\w+ ){0,2}(?:drin|dabei)\b|"
    r"^(?:und |aber )?hoer\w*(?: sie)? (?:bloss |ja )?nicht auf\b|\bnicht dass (?:sie|ihr) (?:mich|uns) abmelde\w*"
)
# "Ich kann gar nicht aufhören, das zu lesen"
_ENJOYING = re.compile(r"\b(?:kann|koennen) (?:\w+ ){0,3}nicht aufhoeren\b.*\blesen\b")
_ASKS = read_words("wie kann koennen was muss wo wann geht ginge")
_OURS = RECEIVED | read_words("verteiler infokanal kreisfunk")
_ONESELF = read_words("bitte ich mich uns hiermit")
_HINTS = NO | STOP_WORDS | STOP_ALONE_WORDS | ERASE | read_words("ruhe frieden zufrieden los runter heraus ab")
# "Abgemeldet", "aufhört", "ausgestiegen", "gekündigt", "entfolgen", "verzichte".
_HINT = re.compile(
    r"(?:ab|auf|aus)(?:ge|zu)?(?:m|best|stell|schalt|hoer|tra|stei|stie|tret|loes)|(?:ge)?(?:kuend|strich|sperr|nerv|stopp|"
    r"nug)|ent(?:fern|folg|zieh|zog)|(?:wider|verzicht|verscho|block|belaest|stoer|satt|spam|"
    r"rueck|zurueck|lass|unbehell|ab?bm)"
)
# "Wenn das nicht aufhört …", "Ich finde den Knopf zum Abmelden nicht".
_CONDITIONS = read_words("wenn falls bis damit finde find if")
# "Was passiert bei Stop", "ein Stop": about the word, or about another kind of stop.
_NO_STOP = read_words("kein keinen")
_CLOSING = " \n\"'“”«»)"  # may follow the last punctuation mark
_JUST_BEFORE_A_NOUN = read_words("""bedeutet heisst bei mit nach per durch wort der ein den dem am zum beim im oder auf
    einen einem dieser diesen jeder jeden kurzer kurzen erster ersten vom""")
_WRITING = read_words("""schreibe schreib schreiben antworte antworten tippe tippen sende senden geschrieben bedeutet
    passiert""")
# "Wenn ich Stop schreibe, …"
_IF = read_words("wenn falls sobald if")
_SENDING = read_words("schicke schickt schicken sage sagt tippt sendet antwortet eingebe")
# "Ich bekomme keine Nachrichten", but not "ich bekomme keine Rente".
_MISSED = (
    FILLER_WORDS
    | RECEIVED
    | NO
    | read_words("""gestern woche wochen tage tagen monat monaten lange bisher bislang kommt kommen bekomme kriege
        erhalte empfange gekriegt gehoert gekommen angekommen angemeldet abgemeldet einzige was rein denn warum
        wieso""")
)
_AT = read_words("an am vor beim bei hinter")
_IN_TRAFFIC = read_words("""ampel ampeln kreuzung bahnuebergang zebrastreifen haltestelle bushaltestelle bahnhof ecke
    kreisel schule tankstelle baecker""")
_INSISTING = read_words("jetzt sofort endlich damit hier nein ja ist es mal aber also wirklich ganz now et")
_NO_MORE_WITH = RECEIVED | read_words("""schicken schickt schick senden sendet send schreiben schreibt schreib
    erhalten bekommen kriegen wollen will moechte brauche brauchen brauch interesse interessiert abo abonnement
    werbung whatsapp sms post mails mail istemiyorum gonderme больше не wiecej chce""")
# "Ich habe noch keine", "mehr brauche ich nicht"
_NOTHING_ELSE = re.compile(r"noch kein|\bmehr (?:brauche|brauch|benoetige|will|moechte) (?:ich|wir) (?:\w+ )?nicht$")
_AROUND_STOP_WORDS = STOP_WORDS | FILLER_WORDS | STOP_ALONE_WORDS | HOW | START | NO
_STOP_PHRASES = (phrases.STOP, foreign_phrases.STOP, foreign_phrases.NO_MESSAGES)


class StopSigns(EraseSigns):
    """Signs of leaving in a phrase."""

    @cached_property
    def is_stop(self) -> bool:
        """Return whether the text ends the whole subscription."""
        if not self.words:
            return any(sign in self.text.raw for sign in STOP_EMOJI)
        if self._is_about_writing or "unterschied" in self.word_set or self.is_enjoying:
            return False
        if self._has_plain_stop:
            return True
        is_other_business = self.word_set & OTHER_BUSINESS and not self.word_set & _OURS
        if is_other_business or self.is_hypothetical or self.is_about_hours or _UNDECIDED.search(self.sentence):
            return False
        if self._has_stop_phrase and not self.is_complaint and not self.is_denied:
            return True
        return self._is_own_sign_off or self._has_only_stop_words or (self._is_no_more and not self.is_denied)

    @cached_property
    def has_hint(self) -> bool:
        """Return whether any word may be one of leaving, whatever it means here."""
        return bool(self.word_set & _HINTS) or any(map(_HINT.match, self.words)) or not "".join(self.words).isascii()

    @property
    def is_mere_question(self) -> bool:
        """Return whether it is a question without a word of leaving: "Wo ist der Haken?"."""
        return self.text.asks and not self.has_hint

    @cached_property
    def has_stop_word(self) -> bool:
        """Return whether the text contains a stop word that is not denied."""
        return has_undenied(self.words, STOP_WORDS)

    @cached_property
    def is_denied(self) -> bool:
        """Return whether all stop words are denied: "Bitte nicht abmelden", "nicht löschen", "Bild gelöscht"."""
        if self.has_deleted:
            return True
        if self.word_set & _CONDITIONS:
            return False
        if any(pattern.search(self.sentence) for pattern in (_KEEPS_IN, NOT_THAT, _REMAINS)):
            return True
        # "Das verstehe ich nicht. Bitte wieder rausnehmen" denies nothing.
        parts = [self.words, *(sentence.words for sentence in self.text.sentences)]
        return bool(self.word_set & LEAVING) and not any(has_undenied(words, LEAVING) for words in parts)

    @property
    def is_pondered(self) -> bool:
        """Return whether somebody only thinks about leaving."""
        return bool(_PONDERING.search(self.text.sentence))

    @property
    def is_staying(self) -> bool:
        """Return whether somebody states that they are staying."""
        return bool(_REMAINS.search(self.text.sentence))

    @property
    def is_enjoying(self) -> bool:
        """Return whether somebody cannot stop reading."""
        return bool(_ENJOYING.search(self.sentence))

    @cached_property
    def is_about_hours(self) -> bool:
        """Return whether the text refuses messages at certain hours only, and nothing else."""
        rest, refusals = _HOURS.subn(" ", self.text.in_german)
        return bool(refusals) and not set(tokenize(rest)) & (NO | STOP_WORDS | STOP_ALONE_WORDS | ERASE | START)

    @cached_property
    def may_be_stop(self) -> bool:
        """Return whether the text may mean a stop, so that the person is to be asked."""
        is_unclear = bool(phrases.FED_UP.search(self.sentence)) or has_undenied(self.words, LEAVE_US)
        return is_unclear and not self.word_set & OTHER_BUSINESS and not self.is_hypothetical

    @cached_property
    def is_complaint(self) -> bool:
        """Return whether somebody misses our messages, or asks whether they are subscribed."""
        match = phrases.MISSING.search(self.sentence)
        if match is None or self.word_set & WISHED:
            return False
        words = match[0].split()
        noun = self.sentence[match.end() :].split()[:1] if words[-1] in NO else []
        return {*words, *noun} <= _MISSED

    @cached_property
    def is_hypothetical(self) -> bool:
        """Return whether it is a question about a stop in the future: "Muss ich kündigen, wenn ich umziehe?"."""
        return bool(_ASKS & self.word_set) and bool(_SOME_DAY.search(self.sentence))

    @cached_property
    def ends_in_stop(self) -> bool:
        """Return whether a statement ends in "stop" and is not about the word itself.

        "Bitte nicht stop" denies it; in "das will ich nicht stop" the "nicht" belongs to the words before it.
        """
        if self.text.raw.rstrip(_CLOSING).endswith("?") or "unterschied" in self.word_set:
            return False
        end = next((index for index in range(len(self.words), 0, -1) if self.words[index - 1] not in POLITE), 0)
        words = self.words[:end]
        before = [word for word in words[:-1] if word not in POLITE]
        if not before or words[-1] not in STOP or _is_sign(words, end - 1):
            return False
        is_denied = before[-1] in NEVER and (len(before) < MAX_SHORT_WORDS - 1 or before[-1] in _NO_STOP)
        last_words = set(words[-3:])  # "schreibe ich Stop", but not "nichts mehr schreiben Stop"
        is_about_writing = _WRITING & last_words and "mehr" not in last_words
        return not (is_denied or is_about_writing or words[-2] in _JUST_BEFORE_A_NOUN)

    @property
    def ends_in_full_stop(self) -> bool:
        """Return whether the last word is "stop" with a full stop, as in a separate sentence."""
        return bool(STOP & set(self.text.words[-1:])) and self.text.raw.rstrip(_CLOSING).endswith(".")

    @property
    def _is_about_writing(self) -> bool:
        """Return whether it is about writing a word: "Wenn ich Stop schreibe, …"."""
        is_candidate = self.text.asks or len(self.words) <= MAX_SHORT_WORDS
        return self.words[0] in _IF and is_candidate and bool((_WRITING | _SENDING) & self.word_set)

    @property
    def has_foreign_stop(self) -> bool:
        """Return whether the text contains "no more messages" in another language."""
        return bool(foreign_phrases.NO_MESSAGES.search(self.text.sentence))

    @property
    def _has_stop_phrase(self) -> bool:
        """Search with and without the polite words: some phrases need them, others do not match with them."""
        sentences = (self.sentence, self.text.sentence)
        return any(pattern.search(sentence) for sentence in sentences for pattern in _STOP_PHRASES)

    @property
    def _has_only_stop_words(self) -> bool:
        if self.word_set & STOP_ALONE_WORDS and self.word_set <= STOP_ALONE_WORDS | _INSISTING:
            return True
        return self.has_stop_word and self.word_set <= _AROUND_STOP_WORDS

    @property
    def _has_plain_stop(self) -> bool:
        """Find a plain "Stop" anywhere in a short text, at an end of a long one, or in a text about our messages."""
        words, is_short = self.words, len(self.words) <= MAX_SHORT_WORDS
        indexes = [index for index, word in enumerate(words) if word in STOP and not _is_sign(words, index)]
        before = _JUST_BEFORE_A_NOUN | ({"und"} if "start" in self.word_set else set())  # "Das mit dem Start und Stop"
        nouns = [index for index in indexes if index and words[index - 1] in before]
        undenied = [index for index in indexes if not is_denied_word(words, index)]
        if not undenied or (not is_short and (undenied == nouns or self.text.asks)):
            return False
        is_at_an_end = 0 in undenied or len(words) - 1 in undenied
        return is_short or is_at_an_end or bool(self.word_set & (RECEIVED | {"mir", "mich", "schreiben"}))

    @property
    def _is_own_sign_off(self) -> bool:
        """Return whether the sender stops for themselves, and the text names nothing else.

        For example "Ich bin umgezogen, bitte abmelden".
        """
        if self.text.asks or _REMAINS.search(self.sentence) or _ABOUT_LEAVING.search(self.sentence):
            return False
        if not has_undenied(self.words, LEAVE_US) or not _ONESELF & (self.text.word_set | self.word_set):
            return False
        around = FILLER_WORDS | STOP_WORDS | NO
        return not any(word in OWN and following not in around for word, following in pairwise(self.words))

    @property
    def _is_no_more(self) -> bool:
        """Return whether a text contains only a language learner's words for a stop, in any order.

        For example "Nachricht nix mehr", "ich nicht wollen".
        """
        words = self.word_set
        is_refusal = words & NO and words <= FILLER_WORDS | NO | STOP_ALONE_WORDS and not self.is_complaint
        return bool(is_refusal and words & _NO_MORE_WITH) and not _NOTHING_ELSE.search(self.sentence)


def _is_sign(words: Sequence[str], index: int) -> bool:
    after = words[index + 1 : index + 4]
    around = {*words[max(0, index - 1) : index], *after[:1]}
    # "Stopp an der Ampel", but not "Stopp, ich stehe an der Ampel"
    return bool(around & STOP_SIGNS or (set(after[:1]) & _AT and set(after) & _IN_TRAFFIC))
