"""Configurable faults; the same seed gives the same decisions."""

from hashlib import blake2b
from typing import Annotated

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=3600)]
MAX_SHUFFLE_DELAY_SECONDS = 1.0
MAX_DUPLICATE_DELAY_SECONDS = 1.0


class Faults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults to inject and how often; shares are between 0 and 1."""

    latency_seconds: Seconds = 0
    latency_jitter_seconds: Seconds = 0
    reject_share: Share = 0
    reject_code: Annotated[int, Meta(ge=0, le=9_999_999)] = 131000
    reject_status: Annotated[int, Meta(ge=400, le=599)] = 500
    cut_after_accept_share: Share = 0
    vanish_share: Share = 0
    timeout_share: Share = 0
    timeout_accept_share: Share = 0.5
    webhook_duplicate_share: Share = 0
    webhook_delay_seconds: Seconds = 0
    webhook_shuffle: bool = False
    read_share: Share = 0.5
    fail_share: Share = 0
    fail_code: Annotated[int, Meta(ge=0, le=9_999_999)] = 131026
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1


class Interference(Struct, frozen=True):
    delay_seconds: float = 0
    reject: bool = False
    cut: bool = False
    vanish: bool = False
    hold: bool = False
    hold_accepts: bool = False


def draw_chance(seed: int, purpose: str, number: int) -> float:
    """Return a number in [0, 1) that depends on the arguments only."""
    digest = blake2b(b"%d %b %d" % (seed, purpose.encode(), number), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


def plan_interference(faults: Faults, number: int) -> Interference:
    """Return the faults for one request; `number` counts requests since the faults were set."""

    def happens(share: float, purpose: str) -> bool:
        return share > 0 and draw_chance(faults.seed, purpose, number) < share

    jitter = faults.latency_jitter_seconds and draw_chance(faults.seed, "latency", number)
    hold = happens(faults.timeout_share, "timeout")
    return Interference(
        delay_seconds=faults.latency_seconds + faults.latency_jitter_seconds * jitter,
        reject=happens(faults.reject_share, "reject"),
        cut=happens(faults.cut_after_accept_share, "cut"),
        vanish=happens(faults.vanish_share, "vanish"),
        hold=hold,
        hold_accepts=hold and happens(faults.timeout_accept_share, "timeout accepts"),
    )


def plan_webhook_delays(faults: Faults, number: int) -> list[float]:
    """Return the delay in seconds of each copy of a webhook update."""
    delay = faults.webhook_delay_seconds
    if faults.webhook_shuffle:
        delay += MAX_SHUFFLE_DELAY_SECONDS * draw_chance(faults.seed, "shuffle", number)
    share = faults.webhook_duplicate_share
    if share and share > draw_chance(faults.seed, "duplicate", number):
        return [delay, delay + MAX_DUPLICATE_DELAY_SECONDS * draw_chance(faults.seed, "second copy", number)]
    return [delay]


class ActiveFaults:
    """The active faults, with counters of the requests and updates since they were set."""

    def __init__(self) -> None:
        self.replace(Faults())

    def replace(self, faults: Faults) -> None:
        """Activate other faults and restart the counters, so that the same seed gives the same run."""
        self.current = faults
        self._requests = self._updates = 0

    def plan_next_request(self) -> Interference:
        self._requests += 1
        return plan_interference(self.current, self._requests)

    def plan_next_update(self) -> list[float]:
        self._updates += 1
        return plan_webhook_delays(self.current, self._updates)
