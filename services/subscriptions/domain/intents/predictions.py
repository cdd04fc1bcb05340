"""Intents predicted from the examples: accepted if probable enough, corrected where misleading, with their slots.

The slots are topics and municipalities mentioned anywhere in a text, in any wording, wanted or not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.classifier import Prediction
from services.subscriptions.domain.intents.intent import MAX_FEEDBACK_LENGTH, Intent, ParsedIntent
from services.subscriptions.domain.intents.rules import Findings
from services.subscriptions.domain.intents.text import CitizenText, read_words, split_text
from services.subscriptions.domain.intents.topic_selection import compile_topic_patterns, find_names
from services.subscriptions.domain.intents.vocabulary import NO, OTHER_BUSINESS, POLITE, RECEIVED

# Minimum probability at which a prediction alone unsubscribes somebody, and at which it does so without any word that
# hints at leaving.
MIN_PROBABILITY_HIGH, MIN_PROBABILITY_HIGHEST = 0.7, 0.9
# Minimum probability of stopping at which the person is asked, and probability from which a prediction is not doubtful.
MIN_STOP_PROBABILITY = 0.2
MAX_DOUBTFUL_PROBABILITY = 0.4
# Minimum probability of an opinion from somebody who states that they are staying.
MIN_OTHER_PROBABILITY = 0.25
# Minimum probability of both stopping and starting at which a single word is ambiguous.
MIN_EITHER_PROBABILITY = 0.05
# A reported death is that of the number's owner.
_OF_OTHERS = OTHER_BUSINESS - read_words("verstorben verstorbenen")

_ASKING_WORDS = read_words("wer wann")  # "Wer hat den Baum am Rathaus entfernt?"
_HOW = read_words("wie wo how")
_OF_US = RECEIVED | read_words("verteiler liste kanal dienst abo euch ihnen whatsapp")
# "Meine Mutter will sich abmelden, wie macht sie das?"
_OF_ANOTHER = re.compile(
    r"^(?:mein|unser|ein|eine)\w* \w+ (?:will|moechte|wollte|wuerde) (?:sich|das|hier)\b.*"
    r"\b(?:wie|was) \w+ (?:sie|er|die)\b"
)
# "Der Regen macht keine Pause"
_NO_PAUSE = re.compile(r"^(?!ich\b|wir\b)(?:\w+ ){1,3}macht (?:\w+ ){0,2}keine?n? pause\b")
# "Die Sperrung endet erst im Februar"
_OF_A_THING = re.compile(
    r"^(?:der|die|das|unser\w*) \w+ (?:\w+ )?(?:endet|ist|dauert|beginnt|wird|findet|kommt|geht)\b"
    r"(?!.*\b(?:ich|wir|mir|uns|mich|nichts?|nix|keine|pause|ruhe|schick\w*|schreib\w*|send\w*|bitte)\b)"
)
# "Nicht stoppen bitte, ich finde das gut" is not feedback; "Nicht abmelden, aber bitte früher schreiben" is.
_GO_ON = re.compile(
    r"^(?:bitte |bloss |ja |doch )*nicht (?:\w+ )?(?:stopp\w*|abmelde\w*|aufhoer\w*|abbestell\w*|loesche\w*)\b"
    r"(?!.*\b(?:aber|nur|sondern|nicht|kein\w*|mehr|zu|besser)\b)"
)
LEAVING = (Intent.STOP, Intent.ERASE, Intent.ASK_STOP)
COMING = (Intent.START, Intent.ASK_START, Intent.RESUME)
_COMING_OR_GOING = frozenset((*LEAVING, *COMING))

_PARTS = re.compile(
    r"[.,;!?()\n]+|\s[–—-]+\s|(?<=\bja\b)\s+|(?<=\bnein\b)\s+|(?<=\braus\b)\s+|"
    r"\b(?:aber|sondern|dafür|dafuer|stattdessen|lieber|nur|but|only|instead)\b",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"[.,;!?()\n]+|\s[–—-]+\s")
# "Bitte stellen Sie um auf Baustellen" names no job.
_SWITCH = re.compile(r"\bstellen sie\b", re.IGNORECASE)
_BUT_FOR = re.compile(r"\b(?:bis auf|except(?: for)?|apart from)\b", re.IGNORECASE)
_INSTEAD_OF = re.compile(r"\b(?:an)?statt\b", re.IGNORECASE)
_UNWANTED = read_words("""nichts kein keine keinen keiner nein nicht nich net nix ohne ausser weder abbestellen
    abmelden weglassen streichen stop stopp minus sparen no not without dont unsubscribe remove stoppen abschalten
    abwaehlen uninteressant egal не без لا بدون bez nie istemiyorum istemem niet keen""")
# Refuse topics only: "Jobs raus", but "Infos aus Worpswede".
_OFF = read_words("weg raus aus ab")
_CLOSING = POLITE | read_words("sofort jetzt damit nehmen machen lassen")
_KEPT = read_words("ja gern gerne drin weiter bleibt bleiben behalten brauch brauche schon okay toll")
# Phrases about all remaining topics: "Jobs, mehr nicht", "Feste könnt ihr weglassen, alles andere gern".
_REST = (
    r"\b(?:rest|(?:alles |das |die |den )?andere[ns]?|uebrige[ns]?|sonst|weiter|anders|"
    r"alles(?! (?:(?:bitte|haben|behalten|gerne?) )?(?:nur|bloss) (?:(?:\w+ ){1,3}nicht|kein\w*|nicht|ohne)\b))\b"
    r"(?: als \w+)?(?: \w+){0,3}?"
)
_GONE = r"(?:ab|abbestell\w*|abmelden|interessiert (?:mich|uns) nicht|weg|weglassen|streichen|raus|loeschen|stopp\w*)"
_REST_REFUSED = re.compile(
    _REST + r" (?:nicht|nichts|nix|nein|weg|raus|egal|wurs\w*|verzichtbar|ueberfluessig|sparen|keine[ns]?|stop)\b|"
    r"(?<!nicht )(?<!nichts )(?<!nix )(?<!keine )\bmehr (?:\w+ ){0,2}(?:nicht|nichts|nix|keine[ns]?)\b|"
    rf"\balle[sm]? (?:\w+ ){{0,2}}{_GONE} (?:\w+ ){{0,2}}(?:bis auf|ausser)\b|"
    rf"\b(?:bis auf|ausser) (?:\w+ ){{1,3}}alles (?:\w+ ){{0,2}}{_GONE}\b|"
    rf"\balles (?:bis auf|ausser) (?:\w+ ){{1,5}}{_GONE}\b|"
    r"\b(?:stop|cancel|everything|all|nothing|no) (?:\w+ ){0,4}(?:except|apart from)\b|"
    r"\b(?:nichts|nix) (?:\w+ ){0,3}ausser\b|"
    r"\bausser\b.*\b(?:nichts|nix)\b|\balles ausserhalb\b.*\b(?:nicht|weg|egal)\b"
)
_REST_WANTED = re.compile(
    r"\b(?:rest|andere[ns]?|uebrige[ns]?)\b(?: \w+){0,3}? "
    r"(?:ja|gerne?|gut|prima|super|ok|okay|bleibt|bleiben|drin|behalten|passt|lese?|weiter|interessiert|moecht\w*)\b"
)
_BESIDES = read_words("zu zum zur neben zusaetzlich")
_HAVING = read_words("hab habe haben hatte bekomm bekomme bekommen krieg kriege kriegen have get")
_SO_FAR = read_words("nur bloss schon bisher bereits already only bislang")
_MOVED = read_words("umgezogen gezogen umzug ziehe ziehen zieh moved weggezogen verzogen wechseln wechsel")
_AT_ALL = read_words("sonst ueberhaupt gar alles")
_FROM = read_words("aus ueber von fuer zu")
_LIVING = read_words("wohne wohnen lebe leben")
# "Wohne nicht mehr dort" has its "not" at once; a place and a conjunction are between two statements.
_FAR_FROM_HOME = 3
_ARTICLES = read_words("der die das")
_THITHER = read_words("nach in to auf zu")
# "Hambergen ist mir zu weit weg" refuses a place, but in "alles andere ist mir zu weit weg" none is named.
_TOO_FAR = re.compile(r"\b(?:zu|so|sehr) weit\b|\bweit (?:weg|entfernt)\b")
_THAT = re.compile(r"^(?:(?:das|dies|es|da) )?(?:ist|liegt|waere)\b")


@dataclass(frozen=True)
class Entities:
    """Topics that somebody wants, does not want, already has (`existing`) or expressly wants to keep, and places."""

    wanted: frozenset[str]
    unwanted: frozenset[str]
    existing: frozenset[str]
    kept: frozenset[str]
    places: frozenset[str]
    refuses_rest: bool

    @property
    def topics(self) -> frozenset[str]:
        return self.wanted | self.unwanted


def apply_prediction(prediction: Prediction, findings: Findings, county: County) -> ParsedIntent:
    """Return the intent of a text as predicted, with its slots; a question or OTHER where it is doubtful."""
    doubt, unfounded = _find_doubt(prediction, findings), findings.stop.is_mere_question
    if (doubt or prediction.intent in _COMING_OR_GOING) and findings.stop.is_denied:
        # "Ich will nicht raus, aber die Qualität hat nachgelassen"
        other = prediction.drop(_COMING_OR_GOING)
        is_feedback = other.intent is Intent.FEEDBACK and other.probability >= MIN_OTHER_PROBABILITY
        return _add_slots(other, findings, county) if is_feedback else ParsedIntent(intent=Intent.OTHER)
    if doubt and prediction.intent not in LEAVING:
        return ParsedIntent(intent=Intent.OTHER if unfounded and doubt is Intent.ASK_STOP else doubt)
    is_one_word = len(findings.phrase.words) == 1 and prediction.intent in _COMING_OR_GOING
    if is_one_word and (prediction.intent is not Intent.RESUME or prediction.probability < MIN_PROBABILITY_HIGHEST):
        return ParsedIntent(intent=_classify_one_word(prediction))
    corrected = _correct_prediction(prediction, findings)
    if corrected:
        return ParsedIntent(intent=corrected)
    if prediction.intent is Intent.STOP and prediction.probability < _require_for_stop(findings):
        return ParsedIntent(intent=Intent.OTHER if unfounded else Intent.ASK_STOP)
    return _add_slots(prediction, findings, county)


def _find_doubt(prediction: Prediction, findings: Findings) -> Intent | None:
    """Return the question to ask if no intent is probable and the person may want to stop, else None."""
    leaving = prediction.sum_probability(*LEAVING)
    if prediction.probability >= MAX_DOUBTFUL_PROBABILITY or leaving < MIN_STOP_PROBABILITY:
        return None
    joining = prediction.sum_probability(*COMING) > 2 * leaving and not findings.stop.has_stop_word
    return Intent.ASK_START if joining else Intent.ASK_STOP


def _classify_one_word(prediction: Prediction) -> Intent:
    """Return the question to ask about a single word, which may be a typo of a stop word, a start word, or either.

    Return OTHER if it hardly resembles any of them.
    """
    if prediction.probability < MAX_DOUBTFUL_PROBABILITY:
        return Intent.OTHER
    leaves, joins = prediction.sum_probability(*LEAVING), prediction.sum_probability(Intent.START, Intent.ASK_START)
    if min(leaves, joins) >= MIN_EITHER_PROBABILITY:
        return Intent.ASK_BOTH
    return Intent.ASK_STOP if leaves > joins else Intent.ASK_START


def _require_for_stop(findings: Findings) -> float:
    """Return the probability at which a prediction alone unsubscribes somebody."""
    asks = findings.phrase.words[0] in _ASKING_WORDS
    doubtful = asks or _OF_OTHERS & findings.phrase.word_set or not findings.stop.has_hint
    return MIN_PROBABILITY_HIGHEST if doubtful else MIN_PROBABILITY_HIGH


def _correct_prediction(prediction: Prediction, findings: Findings) -> Intent | None:
    """Return the intent of a text that merely resembles examples of the predicted intent; None for any other."""
    match prediction.intent:
        case Intent.ERASE:
            return Intent.OTHER if findings.stop.is_report else Intent.ASK_ERASE
        case Intent.STOP if findings.stop.is_enjoying:
            return Intent.OTHER
        case Intent.FEEDBACK if _GO_ON.search(findings.phrase.sentence):
            return Intent.OTHER
        case Intent.STOP if findings.stop.is_hypothetical and (
            findings.text.asks or prediction.probability < MIN_PROBABILITY_HIGHEST
        ):
            return Intent.ASK_STOP
        case Intent.STOP | Intent.ASK_STOP if _OF_ANOTHER.search(findings.phrase.sentence):
            return Intent.HELP
        case Intent.PAUSE | Intent.RESUME:
            return _correct_pause(prediction.intent, findings)
        case _:
            return None


def _correct_pause(intent: Intent, findings: Findings) -> Intent | None:
    phrase, sentence = findings.phrase, findings.phrase.sentence
    asks_how = intent is Intent.RESUME and findings.text.asks and phrase.words[0] in _HOW
    if asks_how and not _OF_US & phrase.word_set:
        return Intent.OTHER  # "Wie geht es weiter mit dem Krankenhaus?"
    of_a_thing = intent is Intent.PAUSE and _OF_A_THING.search(sentence)
    is_talk = findings.pause.is_holiday_talk or _NO_PAUSE.search(sentence) or of_a_thing
    return Intent.OTHER if is_talk else None


def _add_slots(prediction: Prediction, findings: Findings, county: County) -> ParsedIntent:
    match prediction.intent:
        case Intent.PAUSE:
            return findings.pause.pause
        case Intent.FEEDBACK:
            return ParsedIntent(intent=Intent.FEEDBACK, text=findings.text.raw.strip()[:MAX_FEEDBACK_LENGTH])
        case Intent.START | Intent.ASK_START | Intent.ONLY | Intent.ADD | Intent.REMOVE | Intent.PLACES:
            return _build_choice(prediction, extract_entities(findings.text, county), findings.text)
        case _:
            return ParsedIntent(intent=prediction.intent)


def _build_choice(prediction: Prediction, entities: Entities, text: CitizenText) -> ParsedIntent:
    match prediction.intent:
        case Intent.START | Intent.ASK_START:
            return ParsedIntent(intent=Intent.ASK_START, topics=entities.wanted)
        case Intent.ADD:
            return _build_add(entities)
        case Intent.ONLY:
            return _build_only(entities, text)
        case Intent.REMOVE:
            return _build_remove(entities, text)
        case _:
            return ParsedIntent(intent=Intent.ONLY if entities.places else Intent.PLACES, places=entities.places)


def _build_only(entities: Entities, text: CitizenText) -> ParsedIntent:
    wanted = entities.topics if entities.refuses_rest else entities.wanted
    if wanted or entities.places:
        return ParsedIntent(intent=Intent.ONLY, topics=wanted, places=entities.places)
    return _build_remove(entities, text)


def _build_add(entities: Entities) -> ParsedIntent:
    topics = (entities.wanted - entities.existing) or entities.topics
    if topics or not entities.places:
        return ParsedIntent(intent=Intent.ADD if topics else Intent.TOPICS, topics=topics)
    return ParsedIntent(intent=Intent.ADD, places=entities.places)  # "Bitte auch noch Lilienthal dazunehmen"


def _build_remove(entities: Entities, text: CitizenText) -> ParsedIntent:
    is_exclusive = "ausschliesslich" in text.word_set
    wanted = entities.topics if entities.refuses_rest else entities.wanted if is_exclusive else None
    if wanted:
        return ParsedIntent(intent=Intent.ONLY, topics=wanted, places=entities.places)
    if text.words[0] == "mehr" and not text.word_set & (NO | _UNWANTED | _OFF):
        return _build_add(entities)  # "Mehr Konzerte bitte"
    if not entities.unwanted and len(text.word_set - _ARTICLES) == 1:
        return ParsedIntent(intent=Intent.OTHER)  # "Das Schützenfest" refuses nothing
    topics = entities.unwanted or (entities.wanted - entities.kept)
    return ParsedIntent(intent=Intent.REMOVE if topics else Intent.TOPICS, topics=topics)


def extract_entities(text: CitizenText, county: County) -> Entities:
    """Return the entities of a text.

    Each part of the text is affirmed or denied on its own. The place to which somebody moves prevails over others.
    """
    wanted: set[str] = set()
    unwanted: set[str] = set()
    places: set[str] = set()
    before: set[str] = set()
    for part in _split_parts(text.excerpt):
        topics, where = find_mentions(part.words, county)
        refused = bool(_UNWANTED & part.word_set)
        (unwanted if refused or is_off(part.words) else wanted).update(topics)
        elsewhere = refused and not _REST_REFUSED.search(part.sentence) and not _has_home(part.words)
        far = _TOO_FAR.search(part.sentence)
        places.update(() if (elsewhere and not topics) or far else where)
        places -= before if far and _THAT.search(part.sentence) else set()  # "Grasberg? Das ist mir zu weit weg"
        before = where
    sentences = text.split_at(_SENTENCES)
    kept = {
        topic
        for part in sentences
        if _KEPT & part.word_set and not (_UNWANTED | _OFF) & part.word_set
        for topic in find_mentions(part.words, county)[0]
    }
    return Entities(
        frozenset(wanted),
        frozenset(unwanted - wanted),
        frozenset(topic for part in sentences for topic in _find_existing(part.words, county)),
        frozenset(kept - unwanted),
        _find_new_place(text, county) or frozenset(places),
        refuses_rest=bool(_REST_REFUSED.search(text.sentence)) and not _REST_WANTED.search(text.sentence),
    )


def is_about_origin(text: CitizenText, county: County) -> bool:
    """Return whether a place is the origin of messages: "keine Meldungen mehr aus Worpswede"."""
    words = text.words
    if (_MOVED | _LIVING | _AT_ALL) & text.word_set:
        return False
    return any(find_names(words[index + 1 : index + 3], county)[1] for index, word in enumerate(words) if word in _FROM)


def _split_parts(text: str) -> list[CitizenText]:
    text = _BUT_FOR.sub(" ausser ", _SWITCH.sub("", text))
    return split_text(_INSTEAD_OF.sub(", ohne", text), _PARTS)


def is_off(words: Sequence[str]) -> bool:
    """Return whether the end refuses: "Baustellen weg bitte", but not "Baustellen aus Worpswede"."""
    last_word = next((word for word in reversed(words) if word not in _CLOSING), "")
    return "raus" in words or last_word in _OFF


def _has_home(words: Sequence[str]) -> bool:
    """ "Ich wohne in Worpswede und bin nicht mehr mobil": the "not" is about something else."""
    index = next(index for index, word in enumerate(words) if word in _UNWANTED)
    return bool(_LIVING & set(words[: max(0, index - _FAR_FROM_HOME)]))


def find_mentions(words: Sequence[str], county: County) -> tuple[set[str], set[str]]:
    """Return the topics that occur by name or by a word of their `about`, and the municipalities by name."""
    topics, places = find_names(words, county)
    topics |= {topic for topic, pattern in compile_topic_patterns(county) for word in words if pattern.match(word)}
    return topics, places


def _find_existing(words: Sequence[str], county: County) -> frozenset[str]:
    """Return topics already subscribed: "Zu den Sperrungen bitte noch die Baustellen", "Jobs hab ich schon"."""
    parts: list[Sequence[str]] = []
    for index, word in enumerate(words):
        following = words[index + 1 : index + 5]
        if word in _BESIDES or words[index : index + 2] == ["nicht", "nur"]:
            parts.append(following[:3])
        if word in _HAVING and _SO_FAR & set(following[:3]):
            parts += [words[max(0, index - 2) : index], following[:3]]
        if word in _HAVING and following == ["ich"]:
            parts.append(words[:index])
    return frozenset(topic for part in parts for topic in find_mentions(part, county)[0])


def _find_new_place(text: CitizenText, county: County) -> frozenset[str]:
    if not _MOVED & text.word_set:
        return frozenset()
    following = [text.words[index + 1 : index + 4] for index, word in enumerate(text.words) if word in _THITHER]
    mentions = (find_names(words, county)[1] for words in following)
    return next((frozenset(places) for places in mentions if places), frozenset())
