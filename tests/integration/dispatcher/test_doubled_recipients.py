"""A batch that names somebody twice."""

import msgspec

from services.dispatcher.adapters.ledger import PostgresLedger
from tests.integration.dispatcher.factories import build_batch, build_batch_message, generate_subscribers


async def test_who_is_in_a_batch_twice_is_claimed_once(ledger: PostgresLedger) -> None:
    message = build_batch_message(generate_subscribers(3))
    doubled = msgspec.structs.replace(message, recipients=message.recipients * 2)
    await ledger.register(doubled, {})
    claims = await ledger.claim_batch(build_batch(doubled), 6)
    assert sorted(one.delivery for one in claims) == sorted({one.delivery for one in claims})
    assert len(claims) == 3
