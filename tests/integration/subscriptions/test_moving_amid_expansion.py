"""A new number that becomes known while a broadcast is being expanded, on a real database."""

import pytest

from shared.contracts.envelope import encode
from shared.contracts.events import SubscriptionEnded
from shared.contracts.inbound import IdentityChange, IdentityChanges
from shared.outcome import Done
from tests.databases import FreshDatabase
from tests.factories.citizens import NOON, build_both, build_message, build_time
from tests.integration.subscriptions.audience import subscribe_many
from tests.integration.subscriptions.conversation import send_texts
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import publish

TURN = 400  # people on the pages of one turn
OLD, NEW = build_both(1), build_both(2)


async def hear_of_the_move(stand: SubscriptionsHarness) -> None:
    change = IdentityChange(message_key=b"moved", before=OLD, after=NEW, at=build_time(20), received_at=build_time(40))
    body = encode(IdentityChanges(changes=(change,)), event_id="i", source="/kreisfunk/ingress", time=NOON)
    assert await stand.parts.inbound.handle(body) == Done()


@pytest.mark.parametrize("said", [("Start", "Stop"), ("Start",)], ids=["stopped", "subscribed"])
async def test_whoever_wrote_from_the_new_number_gets_it_there_once(
    stand: SubscriptionsHarness, database: FreshDatabase, said: tuple[str, ...]
) -> None:
    """The first turn ends between the two rows."""
    await subscribe_many(database, TURN - 1 - ("Stop" not in said))
    await send_texts(stand, *said, sender=OLD)
    await stand.receive(build_message("Start", sender=build_both("between"), seconds=5))
    await stand.receive(build_message("Start", sender=NEW, seconds=30))
    stand.now = build_time(60)
    await publish(stand)
    assert await stand.parts.expander.expand_next()
    await hear_of_the_move(stand)
    while await stand.parts.expander.expand_next():
        pass
    ended = {each.subscriber for each in stand.publisher.list_messages(SubscriptionEnded) if each.topic is None}
    recipients = [each for page in stand.publisher.list_pages() for each in page.recipients]
    ((stays,),) = await stand.fetch_rows(
        "select id from subscriptions.subscriber where phone_index = $1", NEW.phone and NEW.phone.index
    )
    assert [each.address for each in recipients if each.subscriber == stays] == [NEW.phone]
    assert [each for each in recipients if each.address in (OLD.phone, NEW.phone) and each.subscriber not in ended] == [
        each for each in recipients if each.subscriber == stays
    ]
    assert stays not in ended
