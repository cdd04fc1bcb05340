"""Changes of a known entry: what the website says now and has not said before.

The digest of an entry is one word for the configuration by which it was read, and one for each version seen.
"""

import msgspec

from services.feeds.configuration import FeedOrigin
from services.feeds.state import hash_parts
from shared.contracts.notices import NoticeContent
from shared.notices.configuration import Configuration

MAX_VERSIONS = 8


def hash_setup(origin: FeedOrigin, county: Configuration) -> str:
    """Return a hash of the configuration that decides what is published of an entry."""
    decides = (
        *(origin.topic, origin.rules, origin.urgent, origin.text_without_summary),
        *(county.topics, county.link_hosts),
    )
    return hash_parts(msgspec.json.encode(decides).decode())


def build_digest(setup: str, content: NoticeContent | None) -> str:
    """Return the digest of an entry that is new."""
    return f"{setup} {_hash_content(content)}".rstrip()


def add_version(digest: str, setup: str, content: NoticeContent) -> str:
    """Return the digest with this version; the same one if it was seen before.

    After a change of the configuration nobody knows what the website has changed: the digest begins anew.
    """
    before, *versions = digest.split() or [""]
    version = _hash_content(content)
    if before != setup:
        return build_digest(setup, content)
    return digest if version in versions else " ".join((setup, *[*versions, version][-MAX_VERSIONS:]))


def is_by_setup(digest: str, setup: str) -> bool:
    """Return whether the digest was made by this configuration."""
    return digest.split()[:1] == [setup]


def _hash_content(content: NoticeContent | None) -> str:
    return hash_parts(msgspec.json.encode(content).decode()) if content else ""
