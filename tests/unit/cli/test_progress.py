"""What is said while something is waited for."""

from collections.abc import Awaitable, Callable, Iterable

import pytest

from cli import progress
from cli.progress import NoProgressError, wait_for
from tests.faults.waiting import wait_until_gone


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look is told, and the next one comes at once."""
    monkeypatch.setattr(progress, "POLL_INTERVAL_SECONDS", 0)
    monkeypatch.setattr(progress, "PRINT_INTERVAL_SECONDS", 0)


def seen(*counts: int | None) -> Callable[[], Awaitable[int | None]]:
    """One after the other; the last for ever."""
    remaining = list(counts)

    async def look() -> int | None:
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    return look


def lines(text: Iterable[str]) -> list[str]:
    return [line.strip() for line in text]


async def test_what_is_reached_is_told_by_the_goal(capsys: pytest.CaptureFixture[str]) -> None:
    reached = iter((1, 3))

    async def look() -> int:
        return next(reached)

    await wait_for("welcomed", 3, look, patience=60)
    assert lines(capsys.readouterr().err.splitlines()) == ["welcomed: 1 of 3", "welcomed: 3 of 3"]


async def test_what_is_left_is_told_as_that(capsys: pytest.CaptureFixture[str]) -> None:
    await wait_until_gone("deliveries sent", seen(None, 143, 150, 7, 0), patience=60)
    assert lines(capsys.readouterr().err.splitlines()) == [
        "deliveries sent: not known how many are left",
        "deliveries sent: 143 left",
        "deliveries sent: 143 left",
        "deliveries sent: 7 left",
        "deliveries sent: 0 left",
    ]


async def test_nothing_left_is_not_waited_for() -> None:
    await wait_until_gone("deliveries sent", seen(0), patience=0)


@pytest.mark.parametrize(("counts", "words"), [((143, 144), "143 left"), ((None,), "not known how many are left")])
async def test_what_does_not_get_less_is_given_up(counts: tuple[int | None, ...], words: str) -> None:
    with pytest.raises(NoProgressError, match=f"^deliveries sent: {words}, and nothing has moved for 0 s$"):
        await wait_until_gone("deliveries sent", seen(*counts), patience=0)
