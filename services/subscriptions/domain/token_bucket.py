"""How fast something may go on."""

from dataclasses import dataclass, field


@dataclass
class TokenBucket:
    """At most `burst` at once, then `per_second`; pure, so the moments are given in seconds of any clock."""

    burst: int
    per_second: float
    _due: float = field(default=0.0, init=False)

    def reserve_delay(self, now: float) -> float:
        """Reserve the next turn, and return how many seconds it is away."""
        interval = 1 / self.per_second
        due = max(self._due, now - self.burst * interval)
        self._due = due + interval
        return max(0.0, due - now)
