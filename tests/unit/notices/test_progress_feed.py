"""Progress that is read before the confirm of its event, and a stream that begins after an offset not yet read."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from services.ingress.notices.parsing import JSON, RawRequest, parse_request
from services.ingress.notices.progress import ProgressStore
from services.ingress.notices.progress_feed import ProgressFeed
from services.ingress.notices.publishing import NoticeCheckClient, PublishService
from services.ingress.notices.validation import Caller
from shared.contracts.envelope import Envelope, encode
from shared.contracts.events import NoticeRejected, Problem
from shared.contracts.notices_http import EventState, event_key
from shared.notices.cloudevents import AmqpMessage
from shared.notices.configuration import NOTICES_API_LOGIN
from shared.notices.rules import parse_notice
from tests.factories.feeds import COUNTY

NOW = datetime(2026, 11, 25, tzinfo=UTC)
PROBLEM = Problem(field="quota", problem="is used up")


async def test_a_rejection_that_is_read_before_the_confirm_is_not_forgotten() -> None:
    """Also if the same event was rejected before."""
    system = COUNTY.systems[0]
    caller = Caller(token="t", system=system)
    store = ProgressStore({source: system.name for source in system.sources})
    offsets = iter(range(4))

    async def answer_at_once(event: Envelope) -> None:
        rejection = NoticeRejected(source=event.source, event=event.id, system=system.name, problems=(PROBLEM,))
        answer = encode(rejection, event_id="a", source="/kreisfunk/subscriptions", time=NOW)
        feed.consume(AmqpMessage(body=msgspec.json.encode(event), login=NOTICES_API_LOGIN), next(offsets))
        feed.consume(AmqpMessage(body=answer, login="subscriptions"), next(offsets))

    checks = NoticeCheckClient(answer_at_once, lambda: NOW)
    feed = ProgressFeed(store, lambda: NOW, lambda: True, NOTICES_API_LOGIN, checks.resolve)
    service = PublishService(
        configuration=COUNTY,
        store=answer_at_once,
        feed=feed,
        checks=checks,
        clock=lambda: NOW,
        count_events=lambda *_: None,
        count_stored=lambda _: None,
    )
    notice = {
        "topic": system.topics[0],
        "headline": "K 9 gesperrt",
        "text": "Bis Freitag.",
        "expires_at": NOW + timedelta(hours=1),
        "source": system.sources[0],
    }
    headers = [("content-type", JSON), ("idempotency-key", "1")]
    parsed = parse_request(RawRequest(headers, msgspec.json.encode(notice)), system)
    for _ in range(2):
        await service.publish(parsed, caller)
        entry = feed.find_published(parsed.events[0], caller)
        assert entry is not None
        assert (entry.progress.state, entry.progress.problems) == (EventState.REJECTED, (PROBLEM,))


@pytest.mark.parametrize("is_current", [False, True])
async def test_until_it_may_still_be_read_nothing_is_told_again_but_the_client_is_looked_after(
    is_current: bool,
) -> None:
    """None is when a lost client or a revoked token is noticed."""
    system = COUNTY.systems[0]
    source = system.sources[0]
    store = ProgressStore({source: system.name})
    event = parse_notice(Envelope(id="1", source=source, type="t", specversion="1.0", subject="n"))
    store.add_event(event, system.name, NOW, 10)
    feed = ProgressFeed(store, lambda: NOW, lambda: is_current, NOTICES_API_LOGIN, lambda _: None)
    key = event_key(source, "1")
    changes = feed.stream_changes(Caller(token="t", system=system), key, 500, 0)
    entry = await anext(changes)
    assert entry == (store.find(system.name, key) if is_current else None)
