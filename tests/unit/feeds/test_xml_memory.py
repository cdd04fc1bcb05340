"""No document, however small, takes much memory: the container of the service has 384 MB."""

import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest

from services.feeds.cap.parser import NotAnAlert, read_alert
from services.feeds.rss import NotAFeed, read_feed
from services.feeds.xml_reader import MAX_ELEMENTS

MAX_BYTES = 40_000_000
SHORT, LONG = b"u" * 250, b"u" * 100_000
HEAVY = {
    "long namespace": b'<rss xmlns="%b"><channel>%b</channel></rss>' % (LONG, b"<a/>" * 4_000),
    "long namespace of attributes": b'<rss xmlns:x="%b">%b</rss>' % (LONG, b'<a x:b=""/>' * 4_000),
    "long namespace of one element": b'<rss xmlns:x="%b" %b/>'
    % (LONG, b" ".join(b'x:a%d=""' % n for n in range(4_000))),
    "namespace of many elements": b'<rss xmlns="%b">%b</rss>' % (SHORT, b"<a/>" * 400_000),
    "different names": b'<rss xmlns="%b">%b</rss>' % (SHORT, b"".join(b"<a%d/>" % n for n in range(200_000))),
    "unclosed elements": b"<rss>%b" % (b'<a b=""/>' * (MAX_ELEMENTS - 1)),
    "too many unclosed elements": b"<rss>%b" % (b'<a b=""/>' * 220_000),
    "ampersands": b"<rss><item><title>%b</title></item></rss>" % (b"&" * 1_000_000),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("read", [read_feed, read_alert])
@pytest.mark.parametrize("body", HEAVY.values(), ids=HEAVY)
def test_no_document_takes_much_memory(read: Callable[[bytes], object], body: bytes) -> None:
    """180 kB took 2 GB, with a long namespace that each of many elements repeats."""
    tracemalloc.start()
    try:
        with suppress(NotAFeed, NotAnAlert):
            read(body)
        assert tracemalloc.get_traced_memory()[1] < MAX_BYTES
    finally:
        tracemalloc.stop()
