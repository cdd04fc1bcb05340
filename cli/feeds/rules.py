"""Which topic, to whom, and whether directly: by the first rule that applies."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cli.feeds.configuration import Mode, Origin, Rule


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What becomes of an entry; a field that is None is for the origin or the entry itself to say."""

    topic: str
    mode: Mode
    municipalities: tuple[str, ...] | None = None
    urgent: bool | None = None


def choose(origin: Origin, *, title: str, text: str, categories: Sequence[str]) -> Choice | None:
    """None if it is to be left out."""
    rule = next((rule for rule in origin.rules if _applies(rule, title, text, categories)), Rule())
    topic = rule.topic or origin.topic
    if rule.skip or topic is None:
        return None
    return Choice(topic=topic, mode=rule.mode or origin.mode, municipalities=rule.municipalities, urgent=rule.urgent)


def _applies(rule: Rule, title: str, text: str, categories: Sequence[str]) -> bool:
    tried = (_found(rule.title, title), _found(rule.text, text), _found(rule.category, *categories))
    return all(tried)


def _found(pattern: str | None, *texts: str) -> bool:
    return pattern is None or any(re.search(pattern, text, re.IGNORECASE) for text in texts)
