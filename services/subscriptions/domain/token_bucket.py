"""Token bucket that limits a rate."""

from dataclasses import dataclass, field


@dataclass
class TokenBucket:
    """Rate limit of at most `burst` at once, then `per_second`; pure, so that times are seconds of any clock."""

    burst: int
    per_second: float
    _due: float = field(default=0.0, init=False)

    def reserve_delay(self, now: float) -> float:
        """Reserve the next turn, and return the seconds until then."""
        interval = 1 / self.per_second
        due = max(self._due, now - self.burst * interval)
        self._due = due + interval
        return max(0.0, due - now)
