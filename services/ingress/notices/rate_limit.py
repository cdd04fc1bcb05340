"""Rate limits: token buckets for a bounded number of keys, and the address by which a client is counted."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
_CLIENT_PREFIX_LENGTH = 64  # one client has a whole /64


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


def find_client_address(peer: str | None, forwarded: str | None, proxies: Sequence[Network]) -> str:
    """Return the client's address: the peer's own, or the one that a proxy of ours forwarded; IPv6 as its /64 network.

    All unknown addresses count as one client, "unknown".
    """
    chain = [*(forwarded or "").split(","), peer or ""]
    for hop in reversed(chain):
        try:
            address = ip_address(hop.strip())
        except ValueError:
            return "unknown"
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        address = mapped or address
        if not any(address in network for network in proxies):
            return _mask_to_network(address.compressed) if isinstance(address, IPv6Address) else address.compressed
    return "unknown"


def _mask_to_network(address: str) -> str:
    return IPv6Network((address, _CLIENT_PREFIX_LENGTH), strict=False).network_address.compressed
