"""Detection of a message's intent.

Rules and predictions from examples are weighed against each other. Only rules subscribe or erase anybody, and no
prediction overrules an explicit "Stop".
"""

import re
from dataclasses import replace

import msgspec

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.classifier import IntentClassifier, Prediction, load_classifier
from services.subscriptions.domain.intents.corrections import (
    UNSURE,
    apply_plain_clause,
    has_lone_word,
    resolve_contrast,
)
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent, parse_payload
from services.subscriptions.domain.intents.phrases import DEADLINE, MISSED, MISTAKEN, NOT_FOR_NOW
from services.subscriptions.domain.intents.predictions import (
    COMING,
    LEAVING,
    MIN_STOP_PROBABILITY,
    apply_prediction,
    is_about_origin,
    is_off,
)
from services.subscriptions.domain.intents.rules import NOTHING, Findings, apply_rules
from services.subscriptions.domain.intents.text import CitizenText, cut_middle, read_words
from services.subscriptions.domain.intents.vocabulary import (
    ALL,
    LEAVE_US,
    NO,
    ONLY,
    OTHER_BUSINESS,
    POLITE,
    START_ALONE,
    STOP,
)
from shared.contracts.inbound import InboundMessage
from shared.contracts.text import strip_controls

# Message types that a person sends on purpose. System notices, types that WhatsApp does not support, calls and future
# types are not answered.
ANSWERED_KINDS = read_words("text button interactive image video audio document sticker location contacts order edit")
REACTION = "reaction"
MAX_STORED_TEXT_LENGTH = 1_800  # room for the longest feedback text and the word that introduces it
_TRIAL = re.compile(r"\s*test\s*([0-9]{4})\s?([0-9]{4})[\s.]*", re.IGNORECASE)

# Minimum probability at which a prediction is accepted where no rule matched, against a rule, against a strong one, and
# against a stop.
MIN_PROBABILITY_LOW, MIN_PROBABILITY_RULE, MIN_PROBABILITY_STRONG, MIN_PROBABILITY_STOP = 0.25, 0.7, 0.85, 0.97
# Words of texts that only the rules decide, letters of texts that mean nothing, and words of texts in which a word of
# leaving is hardly about anything else.
MAX_SHORT_WORDS, MAX_NOISE_LETTERS, MAX_BRIEF_WORDS = 2, 1, 6

_FAREWELL = read_words("schoen noch einen feierabend wochenende sonntag tschuess wuensche ich ihnen euch allen")
_ASKING = frozenset((Intent.ASK_START, Intent.ASK_STOP))
# Intents expressed with stop words without meaning a stop: a pause, some topics, both, an automatic reply.
_NEAR_LEAVING = frozenset(
    (Intent.PAUSE, Intent.RESUME, Intent.REMOVE, Intent.ONLY, Intent.ASK_BOTH, Intent.NOTHING, Intent.EMERGENCY)
)
_LIMITED = frozenset((Intent.PAUSE, Intent.RESUME, Intent.REMOVE, Intent.ONLY))
_OF_TOPICS = frozenset((Intent.REMOVE, Intent.ONLY))
_CHOICES = frozenset((Intent.ONLY, Intent.ADD, Intent.REMOVE))
_BY_SIGN = _CHOICES | {Intent.PLACES, Intent.TOPICS}
_JOINING = frozenset((Intent.START, Intent.ASK_START))
# Rules that cover a prediction: an erasure also unsubscribes, and adding without a subscription leads to a question.
_COVERED = {Intent.ASK_START: {Intent.START}, Intent.ERASE: {Intent.STOP}, Intent.ADD: _JOINING}
# Rules recognise texts about both: these name both.
_NEAR_STOP = (_NEAR_LEAVING - {Intent.ASK_BOTH}) | {Intent.STOP, *COMING}
_BACK = re.compile(
    r"\bwieder (?:\w+ ){0,3}(?:an|ein|rein|dabei|anmelden|aufnehmen|eintragen|einschalten|anschalten|freischalten|"
    r"abonnieren|mitmachen|mitlesen|reinnehmen|dazunehmen|reinlassen|hinzufuegen|teilnehmen|erhalten|bekommen|"
    r"empfangen|verteiler|liste|nachrichten|meldungen)\b|\bzurueck$|\berneut an|\bdoch weiter\b|"
    r"^(?!.*\b(?:nicht|nichts|nie|kein\w*)\b).*\bweiter (?:haben|bekommen|erhalten|kriegen|lesen)\b(?!.*\bstopp?\b)"
)
_BESIDE_NUMBERS = STOP | POLITE | read_words("thema themen nummer nr und bis die den das der option ziffer")

# "Stop, das reicht jetzt"; the words after the comma may limit it to a topic.
_FIRST = re.compile(r"\W*(?:bitte\s+)?(?:stop|stopp)(?:\s+bitte)?\s*[,:;]\s", re.IGNORECASE)
_SETTLED = frozenset((Intent.STOP, Intent.ERASE, Intent.ASK_ERASE, Intent.ASK_BOTH, Intent.EMERGENCY))
# Possible results of a clear request to erase; an automatic reply is not answered.
_AFTER_ERASURE = _SETTLED | {Intent.ASK_STOP, Intent.NOTHING}
# Intents that are requested just as clearly: only the person knows which of the two is meant.
_RIVALS = frozenset((Intent.PAUSE, Intent.RESUME, Intent.ONLY, Intent.ADD, Intent.REMOVE))
# "Baustellen stop": the last word refers to the word before it.
_WITH_OBJECT = frozenset((Intent.ONLY, Intent.REMOVE, Intent.ASK_STOP))


def sanitize_text(message: InboundMessage) -> InboundMessage:
    """Return the message with a text that can be stored, and that can be parsed in bounded time."""
    return (
        msgspec.structs.replace(message, text=strip_controls(cut_middle(message.text, MAX_STORED_TEXT_LENGTH)))
        if message.text
        else message
    )


def detect_intent(message: InboundMessage, text: CitizenText, county: County) -> ParsedIntent:
    """Return the intent of a message: from a button's payload if it is known, else from its text."""
    if message.kind == REACTION:
        return ParsedIntent(intent=Intent.REACTION, value=message.text or "")
    if message.kind not in ANSWERED_KINDS:
        return NOTHING
    if message.kind == "edit" and not message.text:
        return NOTHING
    parsed = parse_payload(message.payload or "", county) or _parse_trial(text.raw)
    return parsed or detect_text_intent(text, county)


def _parse_trial(text: str) -> ParsedIntent | None:
    """Return the intent of a code that the newsroom asks an editor to send."""
    match = _TRIAL.fullmatch(text)
    return ParsedIntent(intent=Intent.TRIAL, value=match[1] + match[2]) if match else None


def detect_text_intent(text: CitizenText, county: County, classifier: IntentClassifier | None = None) -> ParsedIntent:
    """Return the intent of a text: from the rules where they are certain, else from the most similar examples."""
    classifier = classifier or load_classifier(county)
    findings = Findings(text)
    rule, prediction = apply_rules(findings, county), classifier.predict(text)
    parsed = resolve_intent(rule, prediction, findings, county)
    if parsed.intent in LEAVING and findings.emergency.has_emergency_part:
        return ParsedIntent(intent=Intent.EMERGENCY)  # "Stop! Hier brennt es!"
    final = _apply_explicit_stop(_correct_pause(parsed, text), findings)
    if rule.intent is Intent.ERASE and final.intent not in _AFTER_ERASURE:
        return ParsedIntent(intent=Intent.ASK_ERASE)  # since the prediction is something else
    return resolve_contrast(final, text, county) if final.intent in _CHOICES else final


def _correct_pause(parsed: ParsedIntent, text: CitizenText) -> ParsedIntent:
    """Return the intent of a text that only mentions a time: since then nothing came, or something is due by then.

    Ask who expressly wants no pause: "Bitte aufhören, und nicht nur vorübergehend".
    """
    if parsed.intent is not Intent.PAUSE or "paus" in text.sentence:
        return parsed
    if NOT_FOR_NOW.search(text.sentence):
        return ParsedIntent(intent=Intent.ASK_STOP)
    if MISSED.search(text.sentence):
        return ParsedIntent(intent=Intent.TOPICS)
    is_due = DEADLINE.search(text.sentence) and not NO & text.word_set
    return ParsedIntent(intent=Intent.OTHER) if is_due else parsed


def resolve_intent(rule: ParsedIntent, prediction: Prediction, findings: Findings, county: County) -> ParsedIntent:
    """Return the intent of a text, given the rule that matched and the prediction from the examples."""
    text = findings.text
    if rule.intent is Intent.OTHER and (text.word_set <= POLITE or len("".join(text.words)) <= MAX_NOISE_LETTERS):
        return rule
    if rule.intent is Intent.ASK_START and text.word_set <= START_ALONE | POLITE | _FAREWELL:
        return rule  # "Start bitte, danke und noch einen schönen Feierabend"
    if _is_certain(rule, prediction, findings) or not (
        _is_elsewhere(rule, prediction, findings, county) or _should_overrule(prediction, rule, findings)
    ):
        return _keep_rule(rule, prediction, findings)
    parsed = replace(apply_prediction(prediction, findings, county), is_predicted=rule.intent is Intent.OTHER)
    # A prediction about topics or places without naming any does not replace a rule.
    is_unfounded = (parsed.intent is Intent.TOPICS and Intent.TOPICS is not prediction.intent) or (
        parsed.intent is Intent.PLACES and rule.places
    )
    if not is_unfounded or rule.intent is Intent.OTHER:
        return parsed
    return ParsedIntent(intent=Intent.ASK_STOP) if _may_be_about_a_topic(rule, prediction, findings) else rule


def _is_certain(rule: ParsedIntent, prediction: Prediction, findings: Findings) -> bool:
    """Return whether the rule agrees with the prediction, or is plain: "Abmeldung warum dauert das so lange"."""
    words = findings.text.words
    if (
        not words
        or rule.intent in (prediction.intent, Intent.START)
        or prediction.intent in _COVERED.get(rule.intent, ())
    ):
        return True
    is_numbered = any(map(str.isdecimal, words)) and all(word.isdecimal() or word in _BESIDE_NUMBERS for word in words)
    if rule.intent in _BY_SIGN and (is_numbered or findings.text.signs):
        return True  # "- 2 - 3"
    if findings.stop.is_about_hours or (
        rule.intent is Intent.ASK_STOP and (findings.stop.is_pondered or findings.pause.is_endless)
    ):
        return True
    if rule.intent is Intent.ASK_START and MISTAKEN.search(findings.text.sentence):
        return True
    if rule.intent is Intent.EMERGENCY and findings.emergency.is_call:
        return prediction.intent in (Intent.OTHER, Intent.HELP)
    if rule.intent is Intent.STOP and findings.stop.has_foreign_stop:
        return prediction.intent not in _LIMITED  # the examples contain few words of other languages
    if prediction.intent in _NEAR_STOP:
        return False
    return len(words) <= MAX_BRIEF_WORDS and not findings.text.asks and _has_stop_phrase(rule, findings)


def _is_elsewhere(rule: ParsedIntent, prediction: Prediction, findings: Findings, county: County) -> bool:
    """Return whether a stop is only about messages from some place."""
    is_stop = rule.intent is Intent.STOP and prediction.intent is Intent.PLACES
    return is_stop and is_about_origin(findings.text, county)


def _may_be_about_a_topic(rule: ParsedIntent, prediction: Prediction, findings: Findings) -> bool:
    """Return whether a stop may be about an unknown topic: "Die Straßensachen brauche ich nicht mehr"."""
    is_probable = prediction.probability >= MIN_PROBABILITY_STRONG
    return rule.intent is Intent.STOP and is_probable and not findings.stop.has_stop_word


def _should_overrule(prediction: Prediction, rule: ParsedIntent, findings: Findings) -> bool:
    """Return whether the prediction replaces the rule. A stop is the easiest to predict and the hardest to overrule."""
    is_short, probability = len(findings.text.words) <= MAX_SHORT_WORDS, prediction.probability
    if prediction.intent in _OF_TOPICS:
        probability = prediction.sum_probability(*_OF_TOPICS)  # "Jobs bitte abbestellen, den Rest behalte ich"
    if prediction.intent is Intent.NOTHING:
        # A text taken for an automatic reply gets no answer at all.
        return probability >= MIN_PROBABILITY_STOP and not findings.stop.has_stop_word
    if rule.intent is Intent.OTHER:
        return probability >= MIN_PROBABILITY_LOW
    is_left_to_rules = is_short and (rule.intent not in _ASKING or prediction.intent is Intent.OTHER)
    if is_left_to_rules or _is_settled(prediction, rule, findings):
        return False
    if rule.intent is Intent.STOP and prediction.intent in COMING:
        if any(_BACK.search(part.sentence) and not part.is_question for part in findings.text.sentences):
            return probability >= MIN_PROBABILITY_RULE
        is_denied = findings.stop.has_stop_word or NO & findings.text.word_set
        return probability >= MIN_PROBABILITY_STOP and not is_denied
    is_unsure = rule.intent is Intent.STOP and UNSURE & findings.text.word_set
    if rule.intent in (Intent.EMERGENCY, Intent.ERASE) or (
        rule.intent is Intent.STOP and prediction.intent not in _NEAR_LEAVING
    ):
        return probability >= (MIN_PROBABILITY_RULE if is_unsure else MIN_PROBABILITY_STOP)
    is_doubted = (rule.intent, prediction.intent) == (Intent.ASK_STOP, Intent.STOP)
    is_strong = is_short or is_doubted or rule.intent is Intent.ASK_BOTH
    return probability >= (MIN_PROBABILITY_STRONG if is_strong else MIN_PROBABILITY_RULE)


def _is_settled(prediction: Prediction, rule: ParsedIntent, findings: Findings) -> bool:
    """Return whether a rule prevails over this prediction, however probable it is."""
    words, word_set = findings.text.words, findings.text.word_set
    match rule.intent, prediction.intent:
        case Intent.STOP, Intent.PAUSE:
            is_sure = prediction.probability >= MIN_PROBABILITY_STOP and not findings.stop.has_foreign_stop
            return not (is_sure or findings.pause.is_temporary)
        case Intent.PAUSE, Intent.ONLY | Intent.ADD | Intent.REMOVE | Intent.PLACES:
            return rule.has_limit  # "Bis Neujahr pausieren und danach nur noch Sperrungen": the pause cannot wait
        case Intent.ONLY, Intent.TOPICS | Intent.START | Intent.ASK_START | Intent.ADD | Intent.OTHER:
            all_topics = bool(ALL & word_set and not rule.places)  # "Ich möchte doch wieder alle Themen"
            by_number = all(word.isdecimal() or word in _BESIDE_NUMBERS for word in words)  # "Thema 1 und 2"
            is_choice = bool(ONLY & word_set or by_number)
            return all_topics or (prediction.intent in (Intent.TOPICS, Intent.OTHER) and is_choice)
        case Intent.PLACES | Intent.FEEDBACK, _:
            # As in "Rückmeldung: bitte mehr Veranstaltungen für Kinder". The answer to TOPICS does not mention places.
            wants_places = rule.intent is Intent.PLACES and prediction.intent is Intent.TOPICS
            is_introduced = bool(rule.text) and prediction.intent not in (*LEAVING, Intent.EMERGENCY)
            return rule.every_place or wants_places or is_introduced
        case Intent.ASK_STOP, Intent.FEEDBACK:
            return "falsche nummer" in findings.text.sentence
        case Intent.TOPICS, _:
            return findings.pause.is_question
        case Intent.REMOVE, Intent.ADD:
            return findings.stop.has_stop_word or is_off(words)  # "Auch die Jobs abbestellen", "Jobs auch weg"
        case _:
            return prediction.intent in (*LEAVING, Intent.REMOVE) and _is_no_leaving(prediction, rule, findings)


def _is_no_leaving(prediction: Prediction, rule: ParsedIntent, findings: Findings) -> bool:
    """Return whether a rule prevails over the prediction that somebody leaves, or drops topics."""
    match rule.intent:
        case Intent.ASK_START | Intent.ADD:
            return not findings.stop.has_hint  # "Ich gebe meine Einwilligung", "mehr Jobs"
        case Intent.EMERGENCY:
            return findings.emergency.is_despair
        case Intent.HELP:
            return findings.question.asks_what_happens
        case Intent.REMOVE:
            return prediction.probability < MIN_PROBABILITY_STRONG
        case _:
            return False


def _has_stop_phrase(rule: ParsedIntent, findings: Findings) -> bool:
    """Return whether a rule found an undenied word of leaving; if the rule only asks, as the first word."""
    if rule.intent is Intent.ASK_STOP:
        return bool(LEAVE_US & set(findings.text.words[:1]))
    return rule.intent is Intent.STOP and findings.stop.has_stop_word


def _keep_rule(rule: ParsedIntent, prediction: Prediction, findings: Findings) -> ParsedIntent:
    """Return the rule's intent, but a question instead of the general hint if the person may want to stop."""
    if rule.intent is not Intent.OTHER or len(findings.text.words) <= 1:
        return rule
    is_other_business = prediction.intent is Intent.OTHER and OTHER_BUSINESS & findings.text.word_set
    if findings.stop.is_mere_question or findings.stop.is_denied or is_other_business:
        return rule
    is_sure = prediction.intent is Intent.OTHER and prediction.probability >= MIN_PROBABILITY_RULE
    is_doubtful = not is_sure and prediction.sum_probability(*LEAVING) >= MIN_STOP_PROBABILITY
    return ParsedIntent(intent=Intent.ASK_STOP) if is_doubtful else rule


def _apply_explicit_stop(parsed: ParsedIntent, findings: Findings) -> ParsedIntent:
    """Return the final intent: `parsed`, unless a plain "Stop" in the text stops or requires a question."""
    if parsed.intent in _SETTLED:
        return parsed
    if not has_lone_word(findings.text, STOP):
        is_at_an_end = findings.stop.ends_in_stop or _FIRST.match(findings.text.raw)
        # "Baustellen stop" is about a topic, but not "nur Baustellen stop", and perhaps not "Baustellen Stop."
        is_separate = ONLY & findings.text.word_set or findings.stop.ends_in_full_stop
        about_a_part = parsed.intent in _WITH_OBJECT and not is_separate
        if not is_at_an_end or about_a_part:
            return apply_plain_clause(parsed, findings.text)
    if parsed.intent in _JOINING:
        return ParsedIntent(intent=Intent.ASK_BOTH)
    has_rival = parsed.intent in _RIVALS or bool(parsed.places) or parsed.every_place
    return ParsedIntent(intent=Intent.ASK_STOP if has_rival else Intent.STOP)
