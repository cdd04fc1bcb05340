"""Detection of the one intent of a message.

Rules and examples are weighed against each other. Only rules subscribe or erase anybody, and no prediction overrules an
explicit "Stop".
"""

import re

from msgspec.structs import replace

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.classifier import IntentClassifier, Prediction, load_classifier
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent, parse_payload
from services.subscriptions.domain.intents.phrases import MISTAKEN
from services.subscriptions.domain.intents.plain_clause import UNSURE, apply_plain_clause, has_lone_word
from services.subscriptions.domain.intents.predictions import (
    COMING,
    LEAVING,
    MIN_STOP_PROBABILITY,
    apply_prediction,
    is_about_origin,
)
from services.subscriptions.domain.intents.rules import NOTHING, Findings, apply_rules
from services.subscriptions.domain.intents.text import CitizenText, cut_middle, read_words
from services.subscriptions.domain.intents.topic_selection import ALL
from services.subscriptions.domain.intents.vocabulary import (
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

# Kinds of message that a person sends on purpose. System notices, types that WhatsApp does not support, calls and any
# future kind are not answered.
ANSWERED_KINDS = read_words("text button interactive image video audio document sticker location contacts order edit")
REACTION = "reaction"
MAX_STORED_TEXT_LENGTH = 1_800  # its beginning holds the longest feedback text and the word that introduces it
_TRIAL = re.compile(r"\s*test\s*([0-9]{4})\s?([0-9]{4})[\s.]*", re.IGNORECASE)

# Minimum probability at which a prediction is accepted where no rule matched, against a rule, against a strong one, and
# against a stop.
MIN_PROBABILITY_LOW, MIN_PROBABILITY_RULE, MIN_PROBABILITY_STRONG, MIN_PROBABILITY_STOP = 0.25, 0.7, 0.85, 0.97
# Texts this short are left to the rules; nothing can be guessed from a single letter; in brief texts a word of leaving
# is about little else.
MAX_SHORT_WORDS, MAX_NOISE, BRIEF = 2, 1, 6

_FAREWELL = read_words("schoen noch einen feierabend wochenende sonntag tschuess wuensche ich ihnen euch allen")
_ASKING = frozenset((Intent.ASK_START, Intent.ASK_STOP))
# Intents expressed with stop words without meaning a stop: a pause, some topics, both, an automatic reply.
_NEAR_LEAVING = frozenset(
    (Intent.PAUSE, Intent.RESUME, Intent.REMOVE, Intent.ONLY, Intent.ASK_BOTH, Intent.NOTHING, Intent.EMERGENCY)
)
_LIMITED = frozenset((Intent.PAUSE, Intent.RESUME, Intent.REMOVE, Intent.ONLY))
_OF_TOPICS = frozenset((Intent.REMOVE, Intent.ONLY))
_JOINING = frozenset((Intent.START, Intent.ASK_START))
# A rule that does as much as the prediction: whoever erases leaves, and whoever adds without a subscription is asked.
_COVERED = {Intent.ASK_START: {Intent.START}, Intent.ERASE: {Intent.STOP}, Intent.ADD: _JOINING}
# Whoever means both says both, which rules know.
_NEAR_STOP = (_NEAR_LEAVING - {Intent.ASK_BOTH}) | {Intent.STOP, *COMING}
_BACK = re.compile(
    r"\bwieder (?:\w+ ){0,3}(?:an|ein|rein|dabei|anmelden|aufnehmen|eintragen|einschalten|anschalten|freischalten|"
    r"abonnieren|mitmachen|mitlesen|reinnehmen|dazunehmen|reinlassen|hinzufuegen|teilnehmen|erhalten|bekommen|"
    r"empfangen|verteiler|liste|nachrichten|meldungen)\b|\bzurueck$|\berneut an|\bdoch weiter\b|"
    r"^(?!.*\b(?:nicht|nichts|nie|kein\w*)\b).*\bweiter (?:haben|bekommen|erhalten|kriegen|lesen)\b(?!.*\bstopp?\b)"
)
_BESIDE_NUMBERS = read_words("thema themen nummer nr und bitte")

# "Stop, das reicht jetzt"; the words after the comma may limit it to a topic.
_FIRST = re.compile(r"\W*(?:bitte\s+)?(?:stop|stopp)(?:\s+bitte)?\s*[,:;]\s", re.IGNORECASE)
_SETTLED = frozenset((Intent.STOP, Intent.ERASE, Intent.ASK_ERASE, Intent.ASK_BOTH, Intent.EMERGENCY))
# What may become of a clear request to erase; an automatic reply is not answered.
_HEARD = _SETTLED | {Intent.ASK_STOP, Intent.NOTHING}
# Something else was requested as clearly: only the person knows which of the two is meant.
_RIVALS = frozenset((Intent.PAUSE, Intent.RESUME, Intent.ONLY, Intent.ADD, Intent.REMOVE))
# "Baustellen stop": the last word refers to the word before it.
_WITH_OBJECT = frozenset((Intent.ONLY, Intent.REMOVE, Intent.ASK_STOP))


def sanitize_text(message: InboundMessage) -> InboundMessage:
    """Return the message with a text that can be stored, and parsed in bounded time."""
    return (
        replace(message, text=strip_controls(cut_middle(message.text, MAX_STORED_TEXT_LENGTH)))
        if message.text
        else message
    )


def detect_intent(message: InboundMessage, text: CitizenText, county: County) -> ParsedIntent:
    """Return the intent of a message: from a button's payload if it has a known one, else from its text."""
    if message.kind == REACTION:
        return ParsedIntent(intent=Intent.REACTION, value=message.text or "")
    if message.kind not in ANSWERED_KINDS:
        return NOTHING
    if message.kind == "edit" and not message.text:
        return NOTHING
    parsed = parse_payload(message.payload or "", county) or _parse_trial(text.raw)
    return parsed or detect_text_intent(text, county)


def _parse_trial(text: str) -> ParsedIntent | None:
    """Return the intent of the words that the newsroom asks an editor to send."""
    found = _TRIAL.fullmatch(text)
    return ParsedIntent(intent=Intent.TRIAL, value=found[1] + found[2]) if found else None


def detect_text_intent(text: CitizenText, county: County, by: IntentClassifier | None = None) -> ParsedIntent:
    """Return the intent of a text: from the rules where they are certain, else from the most similar examples."""
    classifier = by or load_classifier(county)
    found = Findings(text)
    rule, prediction = apply_rules(found, county), classifier.predict(text)
    parsed = resolve_intent(rule, prediction, found, county)
    if parsed.intent in LEAVING and found.emergency.has_emergency_part:
        return ParsedIntent(intent=Intent.EMERGENCY)  # "Stop! Hier brennt es!"
    final = _apply_explicit_stop(parsed, found)
    if rule.intent is Intent.ERASE and final.intent not in _HEARD:
        return ParsedIntent(intent=Intent.ASK_ERASE)  # as the examples take it for something else
    return final


def resolve_intent(rule: ParsedIntent, prediction: Prediction, found: Findings, county: County) -> ParsedIntent:
    """Return the intent of a text, given the rule that matched and the prediction from the examples."""
    text = found.text
    if rule.intent is Intent.OTHER and (text.said <= POLITE or len("".join(text.words)) <= MAX_NOISE):
        return rule
    if rule.intent is Intent.ASK_START and text.said <= START_ALONE | POLITE | _FAREWELL:
        return rule  # "Start bitte, danke und noch einen schönen Feierabend"
    if _is_certain(rule, prediction, found) or not (
        _is_elsewhere(rule, prediction, found, county) or _should_overrule(prediction, rule, found)
    ):
        return _keep_rule(rule, prediction, found)
    parsed = apply_prediction(prediction, found, county)
    # Topics or places that nobody named are no reason to drop a rule.
    unfounded = (parsed.intent is Intent.TOPICS and Intent.TOPICS is not prediction.intent) or (
        parsed.intent is Intent.PLACES and rule.places
    )
    if not unfounded or rule.intent is Intent.OTHER:
        return parsed
    return ParsedIntent(intent=Intent.ASK_STOP) if _may_be_about_a_topic(rule, prediction, found) else rule


def _is_certain(rule: ParsedIntent, prediction: Prediction, found: Findings) -> bool:
    """Return whether the rule agrees with the prediction, or is plain: "Abmeldung warum dauert das so lange"."""
    words = found.text.words
    if (
        not words
        or rule.intent in (prediction.intent, Intent.START)
        or prediction.intent in _COVERED.get(rule.intent, ())
    ):
        return True
    if found.stop.is_about_hours or (
        rule.intent is Intent.ASK_STOP and (found.stop.is_pondered or found.pause.is_endless)
    ):
        return True
    if rule.intent is Intent.ASK_START and MISTAKEN.search(found.text.sentence):
        return True
    if rule.intent is Intent.EMERGENCY and found.emergency.is_call:
        return prediction.intent in (Intent.OTHER, Intent.HELP)
    if rule.intent is Intent.STOP and found.stop.has_foreign_stop:
        return prediction.intent not in _LIMITED  # the examples know few words of other languages
    if prediction.intent in _NEAR_STOP:
        return False
    return len(words) <= BRIEF and not found.text.asks and _has_stop_phrase(rule, found)


def _is_elsewhere(rule: ParsedIntent, prediction: Prediction, found: Findings, county: County) -> bool:
    """Return whether a stop is only about messages from some place."""
    stops = rule.intent is Intent.STOP and prediction.intent is Intent.PLACES
    return stops and is_about_origin(found.text, county)


def _may_be_about_a_topic(rule: ParsedIntent, prediction: Prediction, found: Findings) -> bool:
    """Return whether a stop may be about a topic that we do not know: "Die Straßensachen brauche ich nicht mehr"."""
    probable = prediction.probability >= MIN_PROBABILITY_STRONG
    return rule.intent is Intent.STOP and probable and not found.stop.has_stop_word


def _should_overrule(prediction: Prediction, rule: ParsedIntent, found: Findings) -> bool:
    """Return whether the prediction replaces the rule. A stop is accepted most readily and given up least readily."""
    short, probability = len(found.text.words) <= MAX_SHORT_WORDS, prediction.probability
    if prediction.intent in _OF_TOPICS:
        probability = prediction.sum_probability(*_OF_TOPICS)  # "Jobs bitte abbestellen, den Rest behalte ich"
    if prediction.intent is Intent.NOTHING:
        # A text taken for an automatic reply gets no answer at all.
        return probability >= MIN_PROBABILITY_STOP and not found.stop.has_stop_word
    if rule.intent is Intent.OTHER:
        return probability >= MIN_PROBABILITY_LOW
    brief = short and (rule.intent not in _ASKING or prediction.intent is Intent.OTHER)
    if brief or _is_settled(prediction, rule, found):
        return False
    if rule.intent is Intent.STOP and prediction.intent in COMING:
        if any(_BACK.search(each.sentence) and not each.is_question for each in found.text.sentences):
            return probability >= MIN_PROBABILITY_RULE
        denied = found.stop.has_stop_word or NO & found.text.said
        return probability >= MIN_PROBABILITY_STOP and not denied
    unsure = rule.intent is Intent.STOP and UNSURE & found.text.said
    if rule.intent in (Intent.EMERGENCY, Intent.ERASE) or (
        rule.intent is Intent.STOP and prediction.intent not in _NEAR_LEAVING
    ):
        return probability >= (MIN_PROBABILITY_RULE if unsure else MIN_PROBABILITY_STOP)
    doubted = (rule.intent, prediction.intent) == (Intent.ASK_STOP, Intent.STOP)
    strong = short or doubted or rule.intent is Intent.ASK_BOTH
    return probability >= (MIN_PROBABILITY_STRONG if strong else MIN_PROBABILITY_RULE)


def _is_settled(prediction: Prediction, rule: ParsedIntent, found: Findings) -> bool:
    """Return whether a rule stands against this prediction, however probable it is."""
    words, said = found.text.words, found.text.said
    match rule.intent, prediction.intent:
        case Intent.STOP, Intent.PAUSE:
            sure = prediction.probability >= MIN_PROBABILITY_STOP and not found.stop.has_foreign_stop
            return not (sure or found.pause.is_temporary)
        case Intent.PAUSE, Intent.ONLY | Intent.ADD | Intent.REMOVE | Intent.PLACES:
            return rule.has_limit  # "Bis Neujahr pausieren und danach nur noch Sperrungen": the pause cannot wait
        case Intent.ONLY, Intent.TOPICS | Intent.START | Intent.ASK_START | Intent.ADD | Intent.OTHER:
            all_topics = bool(ALL & said and not rule.places)  # "Ich möchte doch wieder alle Themen"
            by_number = all(word.isdecimal() or word in _BESIDE_NUMBERS for word in words)  # "Thema 1 und 2"
            return all_topics or (prediction.intent in (Intent.TOPICS, Intent.OTHER) and bool(ONLY & said or by_number))
        case Intent.PLACES | Intent.FEEDBACK, _:
            # As in "Rückmeldung: bitte mehr Veranstaltungen für Kinder". The topics' answer names no way to the places.
            places = rule.intent is Intent.PLACES and prediction.intent is Intent.TOPICS
            introduced = bool(rule.text) and prediction.intent not in (*LEAVING, Intent.EMERGENCY)
            return rule.every_place or places or introduced
        case Intent.TOPICS, _:
            return found.pause.is_question
        case _:
            return prediction.intent in (*LEAVING, Intent.REMOVE) and _is_no_leaving(prediction, rule, found)


def _is_no_leaving(prediction: Prediction, rule: ParsedIntent, found: Findings) -> bool:
    """Return whether a rule stands against the prediction that somebody leaves, or drops topics."""
    match rule.intent:
        case Intent.ASK_START | Intent.ADD:
            return not found.stop.has_hint  # "Ich gebe meine Einwilligung", "mehr Jobs"
        case Intent.EMERGENCY:
            return found.emergency.is_despair
        case Intent.HELP:
            return found.question.asks_what_happens
        case Intent.REMOVE:
            return prediction.probability < MIN_PROBABILITY_STRONG
        case _:
            return False


def _has_stop_phrase(rule: ParsedIntent, found: Findings) -> bool:
    """Return whether a rule has found a word of leaving that is not denied; where it only doubts, as the first word."""
    if rule.intent is Intent.ASK_STOP:
        return bool(LEAVE_US & set(found.text.words[:1]))
    return rule.intent is Intent.STOP and found.stop.has_stop_word


def _keep_rule(rule: ParsedIntent, prediction: Prediction, found: Findings) -> ParsedIntent:
    """Return the rule's intent; ask instead of sending the general hint if the person may want to stop."""
    if rule.intent is not Intent.OTHER or len(found.text.words) <= 1:
        return rule
    elsewhere = prediction.intent is Intent.OTHER and OTHER_BUSINESS & found.text.said
    if found.stop.is_mere_question or found.stop.is_denied or elsewhere:
        return rule
    sure = prediction.intent is Intent.OTHER and prediction.probability >= MIN_PROBABILITY_RULE
    doubtful = not sure and prediction.sum_probability(*LEAVING) >= MIN_STOP_PROBABILITY
    return ParsedIntent(intent=Intent.ASK_STOP) if doubtful else rule


def _apply_explicit_stop(parsed: ParsedIntent, found: Findings) -> ParsedIntent:
    """Return the final intent: `parsed`, unless a plain "Stop" in the text stops or requires a question."""
    if parsed.intent in _SETTLED:
        return parsed
    if not has_lone_word(found.text, STOP):
        said_aside = found.stop.ends_in_stop or _FIRST.match(found.text.raw)
        # "Baustellen stop" is about a topic, but not "nur Baustellen stop", and perhaps not "Baustellen Stop."
        about_a_part = parsed.intent in _WITH_OBJECT and not (ONLY & found.text.said or found.stop.ends_in_full_stop)
        if not said_aside or about_a_part:
            return apply_plain_clause(parsed, found.text)
    if parsed.intent in _JOINING:
        return ParsedIntent(intent=Intent.ASK_BOTH)
    rival = parsed.intent in _RIVALS or bool(parsed.places) or parsed.every_place
    return ParsedIntent(intent=Intent.ASK_STOP if rival else Intent.STOP)
