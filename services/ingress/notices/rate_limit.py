"""Rate limits: token buckets for a bounded number of keys."""

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class TokenBuckets:
    """One bucket of `burst` tokens for each key; above `max_keys` the least recently used one is dropped."""

    burst: int
    per_second: float
    max_keys: int = 10_000
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)  # level and its time

    def take(self, key: str, now: float) -> float:
        """Take a token and return 0; if there is none, return the seconds until there is. `now` is monotonic."""
        wait = max(0.0, (1 - self._get_level(key, now)) / self.per_second)
        if wait == 0:
            self._remove(key, 1, now)
        return wait

    def take_rest(self, key: str, now: float, amount: int) -> float:
        """Take the tokens of a batch after its first one and return 0; else return the seconds until a retry.

        A batch larger than the burst needs a full bucket and leaves it in debt.
        """
        missing = min(amount, self.burst - 1) - self._get_level(key, now)
        if missing > 0:
            return (missing + 1) / self.per_second  # a retry needs the first one, too
        self._remove(key, amount, now)
        return 0.0

    def _get_level(self, key: str, now: float) -> float:
        level, updated_at = self._buckets.get(key, (self.burst, now))
        return min(self.burst, level + (now - updated_at) * self.per_second)

    def _remove(self, key: str, amount: int, now: float) -> None:
        self._buckets[key] = self._get_level(key, now) - amount, now
        self._buckets.move_to_end(key)
        if len(self._buckets) > self.max_keys:
            self._buckets.popitem(last=False)
