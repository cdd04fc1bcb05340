"""The page about webhooks agrees with the handling of labels that Meta may add."""

import re

from services.dispatcher.domain.states import STATES_BY_STATUS
from services.ingress.webhook.translate import MAX_PARTS, parse_webhook
from services.subscriptions.domain.decision import MessageResult
from shared.contracts.inbound import DeliveryStatus, InboundMessage
from tests.factories.citizens import understand_message
from tests.factories.webhook_rules import RULES
from tests.factories.webhooks import build_status, build_text_message, build_value, build_webhook
from tools.docs.generate import DOCS

PAGE = (DOCS / "guides" / "webhooks.md").read_text()
NEW_LABEL = re.compile(
    r"no reason for quarantine: a message of type `(\w+)` reaches subscriptions, which counts it and does not\s+"
    r"answer it; a new status reaches the dispatcher, which counts it as `unmatched`"
)


def test_a_new_label_passes_on_and_is_not_answered() -> None:
    found = NEW_LABEL.search(PAGE)
    assert found is not None
    value = build_value(messages=[build_text_message(1, "Stop", type=found[1])], statuses=[build_status(2, found[1])])
    parsed = parse_webhook(build_webhook(value), RULES)
    message, status = parsed.events
    assert (parsed.problems, parsed.ignored) == ([], [])
    assert isinstance(message, InboundMessage)
    assert message.kind == found[1]
    subscriber, outcome = understand_message(None, message)
    assert (subscriber, outcome.reply, outcome.result) == (None, None, MessageResult.IGNORED)
    assert isinstance(status, DeliveryStatus)
    assert status.status == found[1]
    assert found[1] not in STATES_BY_STATUS


def test_the_most_parts_are_as_many_as_the_page_says() -> None:
    assert f"more than {MAX_PARTS:,} parts" in PAGE
