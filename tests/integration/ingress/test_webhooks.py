"""Webhooks through real HTTP to real queues."""

import asyncio

from shared.contracts.inbound import DeliveryStatuses, InboundMessages, WebhookQuarantined
from shared.contracts.message import Address
from shared.encryption import BlindIndexKey, KeyRing
from tests.factories.webhooks import (
    PHONE,
    USER,
    build_messages_body,
    build_status,
    build_statuses_body,
    build_text_message,
    build_value,
    build_webhook,
)
from tests.harness.ingress import ENCRYPTION_KEY, INDEX_KEY, OLD_SECRET, IngressProcess
from tests.harness.ingress_queues import IngressQueues

RING = KeyRing.parse(f"1:{ENCRYPTION_KEY}")
INDEX = BlindIndexKey.parse(INDEX_KEY)


def decrypt(address: Address | None) -> str:
    assert address is not None
    return RING.decrypt(address.sealed, purpose=address.kind, index=address.index).decode()


async def test_a_message_is_stored_with_its_sender_encrypted(ingress: IngressProcess, queues: IngressQueues) -> None:
    assert await ingress.post(build_messages_body(build_text_message(1, "Start", from_user_id=USER))) == 200

    [group] = await queues.take(InboundMessages)
    [message] = group.messages
    assert message.text == "Start"
    assert message.message_key == INDEX.compute_index("wamid", "wamid.IN00000001")
    assert decrypt(message.sender.phone) == PHONE
    assert decrypt(message.sender.user) == USER


async def test_the_older_of_two_app_secrets_still_signs(ingress: IngressProcess, queues: IngressQueues) -> None:
    assert await ingress.post(build_messages_body(build_text_message(1)), secret=OLD_SECRET) == 200
    assert len(await queues.take(InboundMessages)) == 1


async def test_a_thousand_statuses_in_one_webhook_are_a_thousand_events(
    ingress: IngressProcess, queues: IngressQueues
) -> None:
    assert await ingress.post(build_statuses_body(*(build_status(number) for number in range(1000)))) == 200

    groups = await queues.take(DeliveryStatuses)
    deliveries = [event.delivery for group in groups for event in group.statuses]
    assert deliveries == [f"delivery-{number}" for number in range(1000)]
    assert len(groups) > 1


async def test_three_megabytes_that_cannot_be_parsed_are_stored_whole(
    ingress: IngressProcess, queues: IngressQueues
) -> None:
    body = b"{" + b"ab" * 1_900_000

    assert await ingress.post(body) == 200

    [quarantined] = await queues.take(WebhookQuarantined)
    assert (quarantined.size, quarantined.kind) == (len(body), "no_webhook")
    assert RING.decrypt(quarantined.sealed, purpose="webhook") == body


async def test_words_that_are_not_known_pass_on_and_are_counted_as_one(
    ingress: IngressProcess, queues: IngressQueues
) -> None:
    series = 'kreisfunk_ingress_events_by_type_total{kind="%s",type="other"}'
    messages, statuses = series % "messages", series % "statuses"
    before = await ingress.fetch_metric(messages), await ingress.fetch_metric(statuses)

    for number, word in enumerate(("hologram", "mood_ring", PHONE)):
        body = build_webhook(
            build_value(messages=[build_text_message(number, type=word)], statuses=[build_status(number, word)])
        )
        assert await ingress.post(body) == 200

    groups = await queues.take(InboundMessages)
    assert [message.kind for group in groups for message in group.messages] == ["hologram", "mood_ring", PHONE]
    assert len(await queues.take(DeliveryStatuses)) == 3
    assert (await ingress.fetch_metric(messages), await ingress.fetch_metric(statuses)) == (
        before[0] + 3,
        before[1] + 3,
    )
    assert '"word":"mood_ring"' in ingress.log
    assert PHONE not in ingress.log


async def test_webhooks_at_the_same_moment_share_groups_and_none_is_lost(
    ingress: IngressProcess, queues: IngressQueues
) -> None:
    bodies = [build_statuses_body(build_status(number)) for number in range(200)]

    answers = await asyncio.gather(*(ingress.post(body) for body in bodies))

    groups = await queues.take(DeliveryStatuses)
    deliveries = sorted(event.delivery or "" for group in groups for event in group.statuses)
    assert set(answers) == {200}
    assert deliveries == sorted(f"delivery-{number}" for number in range(200))
    assert len(groups) < 200
