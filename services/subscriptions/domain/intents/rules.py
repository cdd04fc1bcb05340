"""Rules for certain cases: texts with little but known words."""

import re
from collections.abc import Sequence

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents import foreign_phrases, phrases
from services.subscriptions.domain.intents.emergency import MAX_EMERGENCY_WORDS, EmergencySigns
from services.subscriptions.domain.intents.intent import MAX_FEEDBACK_LENGTH, Intent, ParsedIntent
from services.subscriptions.domain.intents.pause_intent import PauseSigns
from services.subscriptions.domain.intents.question_intent import QuestionSigns
from services.subscriptions.domain.intents.start_intent import StartSigns, correct_stop_typos
from services.subscriptions.domain.intents.stop_intent import StopSigns
from services.subscriptions.domain.intents.text import CitizenText, Phrase, read_words
from services.subscriptions.domain.intents.topic_selection import match_selection
from services.subscriptions.domain.intents.vocabulary import (
    FAMILY,
    NEVER,
    NO,
    ONLY,
    OTHER_BUSINESS,
    POLITE,
    SIGN_OFF,
    START,
    START_LIKE_WORDS,
    STOP,
    STOP_ALONE_WORDS,
    STOP_WORDS,
    is_greeting_to_all,
)

# Precedence of the intents of the parts of a longer text. START becomes a question, as the other parts are not
# understood.
_RANK = (
    Intent.ERASE, Intent.STOP, Intent.ASK_ERASE, Intent.PAUSE, Intent.EMERGENCY, Intent.REMOVE, Intent.ONLY, Intent.ADD,
    Intent.PLACES, Intent.RESUME, Intent.DATA, Intent.WHY, Intent.ASK_BOTH, Intent.ASK_STOP, Intent.START,
    Intent.ASK_START, Intent.TOPICS, Intent.HELP, Intent.OTHER,
)  # fmt: skip
_UNCLEAR = (Intent.OTHER, Intent.ASK_STOP)
_ABOUT_ONESELF = frozenset((Intent.STOP, Intent.START, Intent.ASK_START, Intent.ASK_STOP))
_ANOTHER = read_words("ihn es ihm er")
_KNOWN = STOP_WORDS | START_LIKE_WORDS | STOP_ALONE_WORDS | NO

_BARE_STOP = STOP_ALONE_WORDS | POLITE
# "Stop mal, gilt die Umleitung noch?"; a plain "Stop" is recognised in any case.
_HOLD_ON = STOP | read_words("mal halt moment kurz warte")
_STARTING = read_words("start starten")
# "Start Stop, was denn nun?"
_WONDERING = read_words("""was denn nun oder jetzt hin her ja nein ach weiss ich nicht doch hilfe erst dann muss soll
    schreiben schreib und welches wie hae eins von beiden""")
_WITHOUT = re.compile(r"\b(?:ohne|außer|ausser)\b", re.IGNORECASE)
_JOINING = (Intent.START, Intent.ASK_START)
_MAX_SIGN_OFF_WORDS = 6
_OR = r"(?:oder|und|bzw|beziehungsweise)"
_BOTH = re.compile(rf"\b(?:ab(?:melden)? {_OR} anmeld\w+|an(?:melden)? {_OR} abmeld\w+|an {_OR} ab)\b")

OTHER = ParsedIntent(intent=Intent.OTHER)
NOTHING = ParsedIntent(intent=Intent.NOTHING)


class Findings:
    """Signs of all intents in a text or a `phrase` of it; `everything` is the phrase including its polite words."""

    def __init__(self, text: CitizenText, phrase: Phrase | None = None, everything: Phrase | None = None) -> None:
        self.text, self.phrase, self.everything = text, phrase or text, everything or text
        self.stop = StopSigns(text, self.phrase)
        self.start = StartSigns(text, self.phrase)
        self.emergency = EmergencySigns(text, self.phrase)
        self.pause = PauseSigns(text, self.everything)
        self.question = QuestionSigns(text, self.phrase)


def apply_rules(whole: Findings, county: County) -> ParsedIntent:
    """Return the intent of a whole text; OTHER if no rule matches.

    A stop takes precedence over other possible intents. In a text that matches no rule as a whole, a part may match.
    """
    text = whole.text
    parsed = _match_text(text, county)
    hypothetical = (text.asks and whole.stop.is_hypothetical) or whole.stop.is_pondered or whole.stop.is_staying
    if parsed.intent not in _UNCLEAR or hypothetical or is_greeting_to_all(text.word_set):
        return parsed
    best = min([parsed, *_match_parts(text.clauses, county)], key=lambda candidate: _RANK.index(candidate.intent))
    if best.intent is Intent.PAUSE and not best.has_limit:
        return whole.pause.pause  # "Bin bis 12. Dezember weg. Bitte Pause"
    return ParsedIntent(intent=Intent.ASK_START, topics=best.topics) if best.intent is Intent.START else best


def has_joining_part(text: CitizenText, county: County) -> bool:
    """Return whether a part of a text is about joining: "Ich möchte mich anmelden, Jobs interessieren mich nicht"."""
    parts = [part for clause in text.clauses or [text] for part in clause.split_at(_WITHOUT)]
    return any(_match_text(part, county, whole=False).intent in _JOINING for part in parts)


def _match_parts(parts: Sequence[CitizenText], county: County) -> list[ParsedIntent]:
    """Return the intents of the relevant parts; a request to deregister a dog that has died is not relevant."""
    asks = any(part.asks for part in parts)
    relevant = [part for part in parts if not (part.word_set <= _BARE_STOP or (asks and part.word_set <= _HOLD_ON))]
    intents = [_match_text(part, county, whole=False) for part in relevant]
    if len(relevant) > 1 and not any(parsed.intent is Intent.STOP for parsed in intents):
        others = any(FAMILY & part.word_set for part in parts)
        pairs = zip(intents, relevant, strict=True)
        intents = [_soften_erasure(parsed, part, others=others) for parsed, part in pairs]
    unsure = _ABOUT_ONESELF if any(OTHER_BUSINESS & part.word_set for part in parts) else frozenset[Intent]()
    if sum(len(part.words) for part in parts) > MAX_EMERGENCY_WORDS:
        unsure |= {Intent.EMERGENCY}
    if unsure and _is_sign_off(parts, intents):
        intents.append(ParsedIntent(intent=Intent.ASK_STOP))
        unsure -= {Intent.ASK_STOP}
    return [
        parsed
        for parsed in intents
        if parsed.intent in _RANK
        and parsed.intent not in unsure
        and (parsed.topics == county.topic_ids or not _is_mere_mention(parsed, parts))
    ]


def _soften_erasure(parsed: ParsedIntent, part: CitizenText, *, others: bool) -> ParsedIntent:
    """Return ASK_ERASE for an erasure that may be about something else in the text.

    A single word may refer to the adjacent part: "Auf Ihrer Seite steht ein falscher Kommentar, bitte löschen".
    """
    is_report = part.words[-1] == "geloescht"  # "Neues Handy, alle Nachrichten gelöscht"
    is_doubtful = others or is_report or len(part.word_set - POLITE) == 1
    return ParsedIntent(intent=Intent.ASK_ERASE) if parsed.intent is Intent.ERASE and is_doubtful else parsed


def _is_sign_off(parts: Sequence[CitizenText], intents: Sequence[ParsedIntent]) -> bool:
    """Return whether a stop is about the number itself and not about anybody else.

    "Das Handy gehört einem Kind, bitte abmelden", but not "mein Hund ist tot, ich möchte ihn abmelden".
    """
    has_stop = any(parsed.intent is Intent.STOP for parsed in intents)
    return has_stop and not any(_ANOTHER & part.word_set for part in parts)


def _is_mere_mention(parsed: ParsedIntent, parts: Sequence[CitizenText]) -> bool:
    """Return whether topics or places only occur among other words, which is not a choice."""
    return parsed.intent is Intent.ONLY and not any(ONLY & part.word_set for part in parts)


def _match_text(text: CitizenText, county: County, *, whole: bool = True) -> ParsedIntent:
    """Match a text without its signature; START becomes a question if any word was removed as a signature."""
    everything = Phrase(_strip_signature(text.words))
    parsed = _match_unsigned_text(everything, text, county, whole=whole)
    has_signature = bool(set(text.words[len(everything.words) :]) - POLITE)
    is_doubtful = parsed.intent is Intent.START and has_signature
    return ParsedIntent(intent=Intent.ASK_START, topics=parsed.topics) if is_doubtful else parsed


def _strip_signature(words: Sequence[str]) -> Sequence[str]:
    """Return the words without "Mit freundlichen Grüßen" and the name after it, unless a known word follows it."""
    index = next((index for index, word in enumerate(words) if word in SIGN_OFF), 0)
    tail = words[index + 1 :]
    is_signed = index and len(tail) <= _MAX_SIGN_OFF_WORDS and not _KNOWN & set(tail)
    return words[:index] if is_signed else words


def _match_unsigned_text(everything: Phrase, text: CitizenText, county: County, *, whole: bool) -> ParsedIntent:
    """Match a text without signature. A part of a text is not searched for typos: any word would match."""
    plain = Phrase([word for word in everything.words if word not in POLITE])
    findings = Findings(text, Phrase(correct_stop_typos(plain.joined)), everything)
    feedback = findings.question.feedback
    said = CitizenText(feedback.text if feedback else "")
    if feedback and not StopSigns(said, said).is_stop:
        return feedback
    if findings.emergency.is_despair:
        return ParsedIntent(intent=Intent.EMERGENCY)
    choice = match_selection(findings.phrase, text, county)
    if whole and findings.stop.is_stop_and_erasure:
        return ParsedIntent(intent=Intent.ERASE)
    leaving = _match_leaving(findings, choice)
    if leaving:
        return leaving
    if findings.emergency.is_emergency:
        return ParsedIntent(intent=Intent.EMERGENCY)
    if phrases.AUTOMATIC.search(everything.sentence):
        return NOTHING
    if findings.stop.is_about_hours:
        return ParsedIntent(intent=Intent.FEEDBACK, text=text.raw.strip()[:MAX_FEEDBACK_LENGTH])
    parsed = _match_request(findings, choice) or feedback or findings.question.stars
    typo = findings.start.typo if whole and not parsed else None
    return parsed or (ParsedIntent(intent=typo) if typo else OTHER)


def _match_leaving(findings: Findings, choice: ParsedIntent | None) -> ParsedIntent | None:
    phrase = findings.phrase
    if findings.stop.is_erasure:
        # "Wie lösche ich meine Daten?" asks for instructions.
        return ParsedIntent(intent=Intent.ASK_ERASE if findings.stop.is_erasure_doubtful else Intent.ERASE)
    rest, mistakes = phrases.MISTAKEN.subn(" ", phrase.sentence)
    if mistakes and not phrases.SILENCE.search(rest):
        return ParsedIntent(intent=Intent.ASK_START)
    if _is_start_or_stop(findings):
        return ParsedIntent(intent=Intent.ASK_BOTH)
    pause = findings.pause.request if not phrase.word_set & STOP else None
    if pause and pause.intent is Intent.PAUSE and findings.pause.is_endless:
        return ParsedIntent(intent=Intent.ASK_STOP)
    if pause:
        return pause
    if choice and choice.intent is not Intent.TOPICS:
        return choice
    if not findings.stop.is_stop:
        return None
    return ParsedIntent(intent=Intent.ASK_STOP if findings.stop.is_pondered else Intent.STOP)


def _match_request(findings: Findings, choice: ParsedIntent | None) -> ParsedIntent | None:
    if findings.stop.is_complaint:
        return ParsedIntent(intent=Intent.TOPICS)
    if findings.start.is_start:
        return ParsedIntent(intent=Intent.START)
    foreign = _match_foreign(findings.phrase.sentence) or _match_foreign(findings.everything.sentence)
    if foreign:
        return ParsedIntent(intent=foreign)
    if findings.start.is_joining and findings.start.may_be_start:
        return ParsedIntent(intent=Intent.ASK_START)
    return findings.question.question or choice or _match_doubt(findings)


def _match_foreign(sentence: str) -> Intent | None:
    """Return the intent besides START and STOP that the whole sentence expresses in another language."""
    return next((intent for intent, pattern in foreign_phrases.OTHERS if pattern.search(sentence)), None)


def _match_doubt(findings: Findings) -> ParsedIntent | None:
    if findings.start.is_denied:
        return ParsedIntent(intent=Intent.ASK_STOP)
    if findings.start.may_be_start:
        return ParsedIntent(intent=Intent.ASK_START)
    may_be_stop = StopSigns(findings.text, findings.everything).may_be_stop or findings.stop.may_be_stop
    return ParsedIntent(intent=Intent.ASK_STOP) if may_be_stop else None


def _is_start_or_stop(findings: Findings) -> bool:
    """Return whether the text names both: "Anmelden oder abmelden?", "an- und abmelden"."""
    words = findings.phrase.word_set
    undecided = not NEVER & words or "weiss" in words
    if words <= STOP | _STARTING | _WONDERING and words & STOP and words & _STARTING and undecided:
        return True
    if _BOTH.search(findings.phrase.sentence) and not words & OTHER_BUSINESS:
        return True
    return "oder" in words and bool(words & START) and findings.stop.has_stop_word
