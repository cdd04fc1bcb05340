"""Protection against server-side request forgery: feeds may link to the internet, not into the county's network."""

import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

_NAT64 = IPv6Network("64:ff9b::/96")


class InternalAddress(Exception):
    """Raised when a host has an internal address and is not configured as internal; the text names the host."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is at an internal address; if it is to be read, name it in internal_hosts")


def is_internal(address: str) -> bool:
    """Return whether an address is private, loopback, link-local or otherwise not on the internet."""
    return any(not each.is_global or each.is_multicast for each in _expand_address(ip_address(address)))


def _expand_address(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """Yield the addresses that packets finally reach: those embedded in an IPv6 address, or the address itself."""
    if isinstance(address, IPv4Address):
        yield address
        return
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inside.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    embedded = [each for each in inside if each is not None]
    yield from embedded or [address]


def check_literal_host(host: str, internal_hosts: Collection[str]) -> None:
    """Raise InternalAddress if the host is a literal internal address, which no resolver would check."""
    try:
        forbidden = host not in internal_hosts and is_internal(host)
    except ValueError:
        return
    if forbidden:
        raise InternalAddress(host)


@dataclass(frozen=True)
class CheckedResolver(AbstractResolver):
    """Resolver that checks each answer and returns exactly what it checked.

    The connection goes to the checked addresses, whatever a later lookup would return.
    """

    internal_hosts: Collection[str]
    resolver: AbstractResolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve a host; raise InternalAddress if any of its addresses is internal, unless it is in internal_hosts."""
        found = await self.resolver.resolve(host, port, family)
        if host not in self.internal_hosts and any(is_internal(each["host"]) for each in found):
            raise InternalAddress(host)
        return found

    async def close(self) -> None:
        await self.resolver.close()
