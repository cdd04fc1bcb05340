"""Rate limits: token buckets for a bounded number of keys."""

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Rate limit: at most `burst` at once, refilled at `per_second`."""

    burst: int
    per_second: float


@dataclass
class _Bucket:
    level: float
    at: float


@dataclass
class TokenBuckets:
    """One bucket for each key; above `max_keys` the least recently used one is dropped."""

    rate: Rate
    max_keys: int = 10_000
    _buckets: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)

    def get_wait(self, key: str, now: float) -> float:
        """Return the seconds until a token is available, 0 if one is. `now` is monotonic."""
        bucket = self._buckets.get(key)
        level = self.rate.burst if bucket is None else self._get_level(bucket, now)
        return max(0.0, (1 - level) / self.rate.per_second)

    def take(self, key: str, now: float) -> float:
        """Take a token and return 0; if there is none, return the seconds until there is."""
        wait = self.get_wait(key, now)
        if wait == 0:
            bucket = self._buckets.setdefault(key, _Bucket(self.rate.burst, now))
            self._buckets[key] = _Bucket(self._get_level(bucket, now) - 1, now)
            self._buckets.move_to_end(key)
            if len(self._buckets) > self.max_keys:
                self._buckets.popitem(last=False)
        return wait

    def _get_level(self, bucket: _Bucket, now: float) -> float:
        return min(self.rate.burst, bucket.level + (now - bucket.at) * self.rate.per_second)
