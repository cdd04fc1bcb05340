"""`kreisfunk trace` on a real ledger, with the operator's role."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from uuid import uuid4

import pytest

from services.dispatcher.domain.claims import Claim
from shared.contracts.dispatch import BroadcastBatch
from shared.contracts.ids import make_timed_id
from tests.integration.cli.planned_broadcasts import run


async def test_the_life_of_a_delivery_is_told_without_anything_about_its_recipient(
    mixed: tuple[BroadcastBatch, list[Claim]], environment: Mapping[str, str]
) -> None:
    message, claims = mixed
    failed = await run(environment, "trace", claims[3].delivery)
    for words in ("state     failed:", "code 131026: undeliverable", "taken by a dispatcher to be sent, attempt 1"):
        assert words in failed.output
    assert "not sent from then on" not in failed.output
    waiting = (await run(environment, "trace", claims[6].delivery, "--json")).json
    assert (waiting["state"], waiting["broadcast"], waiting["notice"]) == ("waiting", str(message.broadcast), "n1")
    assert waiting["waits_for"] == "another try: too many messages to this person"
    moments = [(datetime.fromisoformat(event["at"]), event["after_seconds"]) for event in waiting["events"]]
    assert [at for at, _ in moments] == sorted(at for at, _ in moments)
    assert [after for _, after in moments[1:]] == [
        pytest.approx((at - before).total_seconds()) for (before, _), (at, _) in pairwise(moments)
    ]
    subscribers = {str(recipient.subscriber) for recipient in message.recipients}
    everything = failed.output + json.dumps(waiting)
    assert [one for one in subscribers if one in everything] == []


async def test_what_holds_a_delivery_back_is_told(
    mixed: tuple[BroadcastBatch, list[Claim]], environment: Mapping[str, str]
) -> None:
    message, claims = mixed
    await run(environment, "broadcasts", "pause", message.broadcast, "--reason", "Rückfrage")
    await run(environment, "sending", "pause", "--reason", "Wartung")
    told = (await run(environment, "trace", claims[7].delivery, "--json")).json
    assert told["reasons"] == ["the broadcast is paused: Rückfrage", "sending is paused: Wartung"]
    assert (await run(environment, "trace", claims[0].delivery, "--json")).json["reasons"] == []


async def test_a_delivery_that_is_not_in_the_ledger_is_dated(environment: Mapping[str, str]) -> None:
    made_at = datetime(2020, 2, 3, tzinfo=UTC)
    gone = await run(environment, "trace", make_timed_id(made_at, b"x"))
    assert (gone.status, "It is from 2020-02-03: rows are deleted" in gone.errors) == (3, True)
    young = await run(environment, "trace", make_timed_id(datetime.now(UTC), b"x"))
    assert "may still wait at the broker" in young.errors
    assert "not the id of a delivery" in (await run(environment, "trace", uuid4())).errors
