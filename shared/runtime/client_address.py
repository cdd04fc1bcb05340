"""Client address: the peer's own, or the one that a trusted proxy forwarded."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_CLIENT_PREFIX_LENGTH = 64  # one client has a whole /64


def parse_networks(value: str) -> tuple[Network, ...]:
    """Return the networks in a comma-separated setting. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())


def find_client_address(peer: str | None, forwarded: str | None, proxies: Sequence[Network]) -> str:
    """Return the last address that is not one of our proxies, else the first, IPv6 as its /64 network, or "unknown".

    All unknown addresses count as one client.
    """
    chain = [*(forwarded.split(",") if forwarded else ()), peer or ""]
    client = "unknown"
    for hop in reversed(chain):
        try:
            address = ip_address(hop.strip())
        except ValueError:
            return "unknown"
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        address = mapped or address
        client = address.compressed
        if isinstance(address, IPv6Address):
            client = IPv6Network((address, _CLIENT_PREFIX_LENGTH), strict=False).network_address.compressed
        if not any(address in network for network in proxies):
            break
    return client
