"""Source of a feed on the web."""

import asyncio
from dataclasses import dataclass

from msgspec.structs import replace

from services.feeds.configuration import FeedOrigin
from services.feeds.decisions import PollOutcome, PublisherIdentity, evaluate_feed
from services.feeds.fetching import Fetched, Fetcher, FetchFailed
from services.feeds.rss import NotAFeed, read_feed
from services.feeds.state import OriginState
from shared.runtime.clock import Clock


@dataclass(frozen=True, kw_only=True)
class FeedSource:
    """Implementation of polling.PollSource for a feed; events are published as `publisher`."""

    origin: FeedOrigin
    fetcher: Fetcher
    publisher: PublisherIdentity
    clock: Clock

    async def __call__(self, memory: OriginState) -> PollOutcome | None:
        fetched = await fetch_if_changed(self.fetcher, self.origin.url, memory)
        if fetched.body is None:
            return None
        try:
            # Parsing a large feed is slow; in a thread it does not block the other feeds.
            feed = await asyncio.to_thread(
                read_feed, fetched.body, content_type=fetched.content_type, address=fetched.address
            )
        except NotAFeed as error:
            raise FetchFailed("not_a_feed", str(error)) from None
        outcome = evaluate_feed(self.origin, memory, feed, self.publisher.with_time(self.clock()))
        outcome.memory = with_validators(outcome.memory, self.origin.url, fetched)
        return outcome


async def fetch_if_changed(fetcher: Fetcher, address: str, memory: OriginState) -> Fetched:
    """Fetch the address, only if it has changed since the last poll. Raises FetchFailed."""
    if memory.address != address:
        return await fetcher.fetch(address)
    return await fetcher.fetch(address, etag=memory.etag, last_modified=memory.last_modified)


def with_validators(memory: OriginState, address: str, fetched: Fetched) -> OriginState:
    return replace(memory, address=address, etag=fetched.etag, last_modified=fetched.last_modified)
