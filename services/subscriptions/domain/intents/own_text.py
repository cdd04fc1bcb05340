"""Recognition of our own replies and notices that somebody sends back: pasted, forwarded, or echoed by a machine."""

import re
from functools import cache

from services.subscriptions.domain.county import County
from services.subscriptions.domain.wording import build_wordings

# A shorter line may also be somebody's own words, and counts only beside another one of ours.
MIN_CERTAIN_WORDS, MIN_LINES = 8, 2
# Beginnings of the lines that are about one person or one notice, in `replies`, `privacy` and the templates.
_BEGINNING = re.compile(
    r"sie sind (?:nicht )?angemeldet\. |ihre themen: |ihre bisherigen themen gibt es|die pause ist beendet\. |"
    r"pause bis einschließlich |möchten sie vom |vielen dank, sie sind angemeldet\. |ihre daten sind gelöscht, |"
    r"ohne ihre nummer bleiben: |tippen sie unten auf |andere dauer: zum beispiel pause |früher fortsetzen: weiter|"
    r"themen ändern: themen|orte ändern: gemeinden|zu [^.]+ erhalten sie (?:nur |keine )?meldungen|"
    r"sie erhalten diese meldung, weil sie "
)
_ACCESS_REPORT = re.compile(r"über sie ist gespeichert(?:, teil \d+ von \d+)?:$")
# "[30.11.26, 12:00] Landkreis Osterholz: …", as WhatsApp copies several messages.
_COPIED = re.compile(r"^\[[^\]]{5,40}\] [^:]{1,40}: ")


def remove_own_lines(raw: str, county: County) -> str:
    """Return the text without the lines that are ours; unchanged if it is not one of our texts."""
    if "\n" not in raw:
        return raw
    lines = [_COPIED.sub("", line.strip("> \r\t")) for line in raw.split("\n") if line.strip()]
    normalized = [line.lower() for line in lines]
    has_report = any(map(_ACCESS_REPORT.match, normalized))
    own = [
        line in _list_lines(county) or bool(_BEGINNING.match(line)) or (has_report and ":" in line)
        for line in normalized
    ]
    words = [len(line.split()) for line, is_own in zip(lines, own, strict=True) if is_own]
    if not has_report and len(words) < MIN_LINES and max(words, default=0) < MIN_CERTAIN_WORDS:
        return raw
    numbered = {f"{number} {topic.title}".lower() for number, topic in enumerate(county.topics, 1)}
    kept = zip(lines, normalized, own, strict=True)
    return "\n".join(line for line, lowered, is_own in kept if not is_own and lowered not in numbered)


@cache
def _list_lines(county: County) -> frozenset[str]:
    """Return the lines of the texts that are the same for everybody."""
    texts = [wording.text for wording in build_wordings(county).list_all()]
    return frozenset(line.lower() for text in texts for line in text.split("\n") if line)
