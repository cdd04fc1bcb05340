"""Reachability of Meta from one replica, and the backoff while it is unreachable."""

from services.dispatcher.domain import send_results
from services.dispatcher.domain.send_results import Refused, SendResult

# After this many consecutive messages without an answer from Meta, a replica sends only probes.
MAX_FAILURES = 10
MIN_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
# An address that cannot be decrypted counts more, as the next ones are likely to fail too.
KEY_FAILURE_WEIGHT = 4
UNDECRYPTABLE_REASON = "addresses cannot be decrypted: the encryption key is wrong or missing"


class Reachability:
    """Count of failures to reach Meta, for this replica only: others may reach it.

    `reason` describes the failure, and is None while Meta answers. While it is set, only one message is sent after each
    backoff, which grows from 1 to 30 seconds. Times are in seconds of any monotonic clock.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.since = 0.0
        self._failures = 0
        self._backoff = 0.0
        self._backoff_until = 0.0

    def observe(self, answer: SendResult, now: float) -> bool:
        """Take one answer into account; return whether Meta has just become unreachable or reachable."""
        match answer:
            case send_results.Accepted() | send_results.ErrorResponse():
                return self._recover()
            case send_results.NoResponse(foreign=True) | Refused(foreign=True, isolated=False):
                return self._fail(answer.reason, now, MAX_FAILURES)
            case Refused(isolated=False):
                return self._fail(answer.reason, now, KEY_FAILURE_WEIGHT)
            case send_results.NoResponse() | send_results.Unreachable():
                return self._fail(answer.reason, now, 1)
            case _:
                return False

    def get_backoff_seconds(self, now: float) -> float:
        """Return how long nothing may be sent; 0 permits one message, or any number while `reason` is None."""
        return max(0.0, self._backoff_until - now)

    def _recover(self) -> bool:
        recovered = self.reason is not None
        self.reason, self._failures, self._backoff, self._backoff_until = None, 0, 0.0, 0.0
        return recovered

    def _fail(self, reason: str, now: float, weight: int) -> bool:
        self._failures += weight
        if self._failures < MAX_FAILURES or now < self._backoff_until:
            return False
        began = self.reason is None
        self.reason, self.since = reason, now if began else self.since
        self._backoff = min(MAX_BACKOFF_SECONDS, 2 * self._backoff or MIN_BACKOFF_SECONDS)
        self._backoff_until = now + self._backoff
        return began
