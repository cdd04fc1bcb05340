"""Questions of `kreisfunk setup` end with Ctrl-C, although its loop has a handler of its own."""

import asyncio
import signal
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from cli.setup import run as run_module
from cli.setup.run import SetupRun

NOTHING: Any = None


def interrupt(*_: object, **__: object) -> bool:
    """As if the person had pressed Ctrl-C at the question."""
    signal.raise_signal(signal.SIGINT)
    return True


@pytest.mark.parametrize("kind", ["confirm", "prompt"])
def test_an_interrupted_question_is_answered_by_nobody(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    run = SetupRun(settings=NOTHING, secrets=NOTHING, county=NOTHING, templates=NOTHING)
    monkeypatch.setattr(run_module, "console", SimpleNamespace(is_terminal=True))
    monkeypatch.setattr(typer, kind, interrupt)
    asked: list[object] = []

    async def ask() -> None:
        asked.append(run.may("Bill it?") if kind == "confirm" else run.ask("Which?"))

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(ask())
    assert asked == []
