"""A stream of progress that begins after an offset which the process has not read."""

from datetime import UTC, datetime

import pytest

from services.ingress.notices.progress import ProgressStore
from services.ingress.notices.progress_feed import ProgressFeed
from services.ingress.notices.validation import Caller
from shared.contracts.envelope import Envelope
from shared.contracts.notices_http import event_key
from shared.notices.configuration import NOTICES_API_LOGIN
from shared.notices.rules import parse_notice
from tests.factories.feeds import COUNTY

NOW = datetime(2026, 11, 25, tzinfo=UTC)


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
