"""Clients can cause any number of exceptions, and hardly any log lines."""

from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from shared.runtime import http_port
from shared.runtime.http_port import FailureLog


@dataclass
class FakeTime:
    """The clock of the log."""

    now: float = 1_000.0

    def monotonic(self) -> float:
        return self.now


def test_one_exception_a_minute_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, failures = FakeTime(), FailureLog()
    monkeypatch.setattr(http_port, "time", clock)
    with capture_logs() as lines:
        for seconds in (0.0, 0.0, 59.9, 0.1, 59.9):
            clock.now += seconds
            failures.log(ValueError("no"))
    assert [(line["event"], line["cause"]) for line in lines] == [("request_failed", "ValueError")] * 2
