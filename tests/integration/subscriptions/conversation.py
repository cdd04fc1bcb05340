"""A conversation with citizens on a real database."""

from typing import Any

from shared.contracts.dispatch import ReplyRequested
from shared.contracts.message import Addresses
from tests.factories.citizens import build_message
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import publish


def list_reply_texts(stand: SubscriptionsHarness) -> list[str]:
    return [reply.text for reply in stand.publisher.list_messages(ReplyRequested)]


async def send_texts(
    stand: SubscriptionsHarness, *texts: str, sender: Addresses | None = None, start: float = 0
) -> None:
    for number, text in enumerate(texts):
        await stand.receive(build_message(text, sender=sender, seconds=start + number))


async def count_audience(stand: SubscriptionsHarness, **notice: Any) -> int:
    """Publish a notice and return how many get it."""
    before = len(stand.publisher.list_pages())
    await publish(stand, event_id=f"e{before}", **{"notice": f"n{before}", **notice})
    while await stand.parts.expander.expand_next():
        pass
    return sum(len(page.recipients) for page in stand.publisher.list_pages()[before:])
