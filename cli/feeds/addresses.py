"""Where a feed may lead us to: the internet, not the machines inside the county's network."""

import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

_NAT64 = IPv6Network("64:ff9b::/96")


class InternalAddress(Exception):
    """A host leads to an internal address and is not configured to; the text names the host."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is at an internal address; if it is to be read, name it in internal_hosts")


def is_internal(address: str) -> bool:
    """Return whether it is private, loopback, link-local or anything else that is not on the internet."""
    return any(not each.is_global or each.is_multicast for each in _expand_address(ip_address(address)))


def _expand_address(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address that packets to it reach in the end."""
    if isinstance(address, IPv4Address):
        yield address
        return
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inside.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    embedded = [each for each in inside if each is not None]
    yield from embedded or [address]


def check_literal_host(host: str, internal_hosts: Collection[str]) -> None:
    """Raise InternalAddress for a host that is written as an internal address, which nobody resolves."""
    try:
        forbidden = host not in internal_hosts and is_internal(host)
    except ValueError:
        return
    if forbidden:
        raise InternalAddress(host)


@dataclass(frozen=True)
class CheckedResolver(AbstractResolver):
    """Resolves once, checks, and gives what was checked: the connection goes there, whatever is answered later."""

    internal_hosts: Collection[str]
    resolver: AbstractResolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises InternalAddress if any address of the host is one."""
        found = await self.resolver.resolve(host, port, family)
        if host not in self.internal_hosts and any(is_internal(each["host"]) for each in found):
            raise InternalAddress(host)
        return found

    async def close(self) -> None:
        await self.resolver.close()
