"""Output while a command waits."""

import pytest

from cli import progress
from cli.progress import NoProgressError, wait_for


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look is told, and the next one comes at once."""
    monkeypatch.setattr(progress, "POLL_INTERVAL_SECONDS", 0)
    monkeypatch.setattr(progress, "PRINT_INTERVAL_SECONDS", 0)


async def test_what_is_reached_is_told_by_the_goal(capsys: pytest.CaptureFixture[str]) -> None:
    reached = iter((1, 3))

    async def look() -> int:
        return next(reached)

    await wait_for("welcomed", 3, look, patience=60)
    assert [line.strip() for line in capsys.readouterr().err.splitlines()] == ["welcomed: 1 of 3", "welcomed: 3 of 3"]


async def test_what_does_not_move_is_given_up() -> None:
    async def look() -> int:
        return 1

    with pytest.raises(NoProgressError, match=r"^welcomed: 1 of 3, and nothing has moved for 0 s$"):
        await wait_for("welcomed", 3, look, patience=0)
