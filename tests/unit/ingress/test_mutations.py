"""Whatever is signed becomes events, counts or quarantine, and nothing is raised.

`KREISFUNK_TEST_WEBHOOKS=100000 python -m pytest tests/unit/ingress/test_mutations.py` tries so many.
"""

import msgspec

from services.ingress.domain.groups import by_type, group_of
from services.ingress.domain.translate import quarantine, understand
from services.ingress.domain.words import count_words
from tests.unit.ingress.mutations import CASES, mutated
from tests.unit.ingress.rules import RULES
from tests.unit.ingress.webhooks import PHONE

USUAL_CASES = 3_000


def test_whatever_comes_is_an_event_a_count_or_a_problem_and_can_be_published() -> None:
    for number in range(CASES or USUAL_CASES):
        assert ends(mutated(number)), f"case {number}"


def ends(body: bytes) -> bool:
    """Whether something came of it, all of which can be published, and no reason names anybody."""
    understood = understand(body, RULES)
    events = list(understood.events)
    if understood.problems:
        kept = quarantine(body, understood.problems, RULES)
        assert PHONE not in kept.reason
        events.append(kept)
    for kind, same in by_type(events).items():
        count_words(kind, same)
        msgspec.json.encode(group_of(same))
    return bool(events or understood.ignored)
