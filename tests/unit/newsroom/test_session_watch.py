"""Streams end with their session, for one query whatever their number."""

from collections.abc import Collection
from typing import Any, cast
from uuid import UUID

from services.newsroom.domain.accounts import Account
from services.newsroom.domain.login import SessionStage, Visitor
from services.newsroom.handlers.watching import SessionWatch
from services.newsroom.ports import SessionRepository

ACCOUNT = Account(id=UUID(int=1), login="a", name="A", person=UUID(int=2), roles=frozenset())


class FakeSessions:
    """Sessions of which some are open, and the questions about them."""

    def __init__(self, *open_sessions: bytes) -> None:
        self.open = set(open_sessions)
        self.asked: list[set[bytes]] = []

    async def filter_open(self, token_hashes: Collection[bytes]) -> set[bytes]:
        self.asked.append(set(token_hashes))
        return self.open & set(token_hashes)


def build_watch(sessions: FakeSessions) -> SessionWatch:
    return SessionWatch(cast(SessionRepository, cast(Any, sessions)))


def visit(session: bytes) -> Visitor:
    return Visitor(account=ACCOUNT, session=session, csrf="x", stage=SessionStage.OPEN)


async def test_all_streams_of_a_session_end_with_it_and_no_others() -> None:
    sessions = FakeSessions(b"a", b"b")
    watch = build_watch(sessions)
    with watch.follow(visit(b"a")) as first, watch.follow(visit(b"a")) as second, watch.follow(visit(b"b")) as other:
        await watch.refresh()
        assert not first.is_set()
        sessions.open.discard(b"a")
        await watch.refresh()
        assert (first.is_set(), second.is_set(), other.is_set()) == (True, True, False)


async def test_a_hundred_streams_are_one_question() -> None:
    sessions = FakeSessions(b"a")
    watch = build_watch(sessions)
    with watch.follow(visit(b"a")):
        for _ in range(99):
            watch.follow(visit(b"a")).__enter__()
        await watch.refresh()
    assert sessions.asked == [{b"a"}]


async def test_nothing_is_asked_when_nobody_watches() -> None:
    sessions = FakeSessions(b"a")
    watch = build_watch(sessions)
    with watch.follow(visit(b"a")):
        pass
    await watch.refresh()
    assert sessions.asked == []
