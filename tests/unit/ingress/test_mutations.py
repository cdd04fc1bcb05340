"""Everything signed becomes events, counts or quarantine; nothing is raised, and no intact text is lost.

What is quarantined holds nothing that was heard.

`KREISFUNK_TEST_WEBHOOKS=100000 python -m pytest tests/unit/ingress/test_mutations.py` tries so many.
"""

import re
from collections.abc import Callable, Sequence

import msgspec
import pytest

from services.ingress.webhook.events import ParsedWebhook, ProblemKind, count_labels, split_by_type
from services.ingress.webhook.quarantine import MAX_SEPARATE_PARTS
from services.ingress.webhook.translate import parse_webhook
from shared.contracts.inbound import InboundMessage
from tests.factories.webhook_mutations import CASES, build_crowded, build_mutation
from tests.factories.webhook_rules import RULES, build_group
from tests.factories.webhooks import PHONE
from tests.unit.ingress.oracle import find_whole_texts
from tests.unit.ingress.quarantined import QuarantinedPart, quarantine_problems

DEFAULT_CASES = 3_000


@pytest.mark.parametrize("case", [build_mutation, build_crowded])
def test_whatever_comes_can_be_published_and_each_whole_text_is_an_event(case: Callable[[int], bytes]) -> None:
    heard = 0
    for number in range(CASES or DEFAULT_CASES):
        body = case(number)
        parsed, texts = parse_webhook(body, RULES), find_whole_texts(body)
        parts = quarantine_problems(body, parsed.problems)
        assert ends(parsed, parts), f"case {number}"
        assert hears(parsed, texts), f"case {number}"
        assert keeps_the_rest(body, parsed, parts), f"case {number}"
        heard += len(texts)
    assert heard > 0


def ends(parsed: ParsedWebhook, parts: Sequence[QuarantinedPart]) -> bool:
    """Return whether something came of it, all of which can be published, and no reason names anybody."""
    events = [*parsed.events, *(it.message for it in parts)]
    for kind, same in split_by_type(events).items():
        count_labels(kind, same)
        msgspec.json.encode(build_group(same))
    return bool(events or parsed.ignored)


def hears(parsed: ParsedWebhook, texts: list[str]) -> bool:
    """Return whether each of the texts is an event, in their order."""
    said = iter([it.text for it in parsed.events if isinstance(it, InboundMessage) and it.kind == "text"])
    return all(text in said for text in texts)


def keeps_the_rest(body: bytes, parsed: ParsedWebhook, parts: Sequence[QuarantinedPart]) -> bool:
    """Whether each part that is kept is what was not understood, has the same fault again, and says nothing else."""
    if [it.body for it in parts] == [body]:
        return parsed.problems[0].kind is ProblemKind.NO_WEBHOOK
    apart = parts[:MAX_SEPARATE_PARTS]
    assert len(apart) == min(len(parsed.problems), MAX_SEPARATE_PARTS)
    return all(PHONE not in it.message.reason and has_its_fault_alone(it) for it in apart)


def has_its_fault_alone(part: QuarantinedPart) -> bool:
    again = parse_webhook(part.body, RULES)
    assert [place_of(problem.reason) for problem in again.problems] == [place_of(part.message.reason)]
    return part.message.kind == ProblemKind.BROKEN_FIELD or not again.events


def place_of(reason: str) -> str:
    """The reason without the number that a part has among others."""
    return re.sub(r"\[\d+\]", "", reason)
