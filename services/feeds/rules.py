"""Choice of topic, recipients and mode of an entry by the first rule that applies."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.feeds.configuration import FeedRule, Mode, Origin


@dataclass(frozen=True, kw_only=True)
class RuleChoice:
    """Choice for an entry; for a field that is None, the origin or the entry decides."""

    topic: str
    mode: Mode
    municipalities: tuple[str, ...] | None = None
    urgent: bool | None = None


def choose(origin: Origin, *, title: str, text: str, categories: Sequence[str]) -> RuleChoice | None:
    """Return the choice, or None if the entry is to be left out."""
    rule = next((rule for rule in origin.rules if _match_rule(rule, title, text, categories)), FeedRule())
    topic = rule.topic or origin.topic
    if rule.skip or topic is None:
        return None
    return RuleChoice(
        topic=topic, mode=rule.mode or origin.mode, municipalities=rule.municipalities, urgent=rule.urgent
    )


def _match_rule(rule: FeedRule, title: str, text: str, categories: Sequence[str]) -> bool:
    tried = (
        _match_pattern(rule.title, title),
        _match_pattern(rule.text, text),
        _match_pattern(rule.category, *categories),
    )
    return all(tried)


def _match_pattern(pattern: str | None, *texts: str) -> bool:
    return pattern is None or any(re.search(pattern, text, re.IGNORECASE) for text in texts)
