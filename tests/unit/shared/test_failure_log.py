"""Clients can cause any number of exceptions, and hardly any log lines."""

from itertools import accumulate
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from shared.runtime import http_port
from shared.runtime.http_port import FailureLog


def test_one_exception_a_minute_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    moments, failures = accumulate((1_000.0, 0.0, 59.9, 0.1, 59.9)), FailureLog()
    monkeypatch.setattr(http_port, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    with capture_logs() as lines:
        for _ in range(5):
            failures.log(ValueError("no"))
    assert [(line["event"], line["cause"]) for line in lines] == [("request_failed", "ValueError")] * 2
