"""HTTP client for websites: identified by its User-Agent, with conditional requests and limits on time and size.

It is protected against server-side request forgery: feeds may link to the internet, not into the county's network.
"""

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import responses
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from shared.runtime.http_errors import describe_connection_error

_NAT64 = IPv6Network("64:ff9b::/96")
_TRANSLATED = tuple(map(IPv6Network, ("64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")))  # by whoever runs the network


class InternalAddress(Exception):
    """Raised when a host has an internal address and is not configured as internal; the text names the host."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is at an internal address; if it is to be read, name it in internal_hosts")


def is_internal(address: str) -> bool:
    """Return whether an address is private, loopback, link-local or otherwise not on the internet."""
    return any(
        not each.is_global or each.is_multicast or _is_local_ipv6(each) for each in _expand_address(ip_address(address))
    )


def _is_local_ipv6(address: IPv4Address | IPv6Address) -> bool:
    """Return whether it is an IPv6 address that leads into a network, although Python counts it as global."""
    return isinstance(address, IPv6Address) and (
        address.is_site_local or any(address in network for network in _TRANSLATED)
    )


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


FETCH_TIMEOUT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 10.0
MAX_BYTES = 2_000_000
MAX_REDIRECTS = 5
CHUNK_SIZE = 65_536
MAX_RETRY_AFTER_SECONDS = 86_400.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACCEPT = (
    "application/rss+xml, application/atom+xml, application/cap+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1"
)


class FetchFailed(Exception):
    """Raised when a fetch fails; `reason` is one of a few fixed words.

    `retry_after` is the delay in seconds that the website asks for.
    """

    def __init__(self, reason: str, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A response; `body` is None if nothing has changed since the validators that were sent."""

    body: bytes | None
    address: str
    content_type: str = ""
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class Fetcher:
    """HTTP client; `seconds` limits a whole fetch including redirects, `max_bytes` the unpacked body."""

    session: aiohttp.ClientSession
    internal_hosts: Collection[str] = ()
    seconds: float = FETCH_TIMEOUT_SECONDS
    max_bytes: int = MAX_BYTES

    async def fetch(self, address: str, *, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        """Fetch an address, following redirects. Raises FetchFailed."""
        validators = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in validators.items() if value}
        try:
            async with asyncio.timeout(self.seconds):
                return await self._follow(URL(address), headers)
        except TimeoutError:
            raise FetchFailed("timeout", f"no complete answer within {self.seconds:g} s") from None
        except InternalAddress as error:
            raise FetchFailed("internal_address", str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchFailed("connection", describe_connection_error(error)) from None

    async def _follow(self, url: URL, headers: Mapping[str, str]) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            check_literal_host(url.host or "", self.internal_hosts)
            async with self.session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await self._build_fetched(response, url)
                url = _resolve_redirect(url, response.headers.get("Location"))
        raise FetchFailed("redirects", f"more than {MAX_REDIRECTS}")

    async def _build_fetched(self, response: aiohttp.ClientResponse, url: URL) -> Fetched:
        if response.status not in (200, 304):
            raise FetchFailed(
                f"status_{response.status}", responses.get(response.status, ""), _parse_retry_after(response.headers)
            )
        return Fetched(
            body=await self._read_body(response) if response.status == 200 else None,
            address=str(url),
            content_type=_clean_header(response.headers.get("Content-Type")) or "",
            etag=_clean_header(response.headers.get("ETag")),
            last_modified=_clean_header(response.headers.get("Last-Modified")),
        )

    async def _read_body(self, response: aiohttp.ClientResponse) -> bytes:
        """Read the body; raise FetchFailed above `max_bytes`, so that even strong compression cannot exhaust memory."""
        if (response.content_length or 0) > self.max_bytes:
            raise FetchFailed("too_large", f"more than {self.max_bytes} bytes")
        body = bytearray()
        async for part in _decompress(response, self.max_bytes):
            body += part
            if len(body) > self.max_bytes:
                raise FetchFailed("too_large", f"more than {self.max_bytes} bytes")
        return bytes(body)


async def _decompress(response: aiohttp.ClientResponse, most: int) -> AsyncIterator[bytes]:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        async for part in response.content.iter_chunked(CHUNK_SIZE):
            yield part
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FetchFailed("encoding", "packed in a way that we did not ask for")
    unpacker = zlib.decompressobj(47)  # gzip or zlib, detected from its header
    try:
        async for part in response.content.iter_chunked(CHUNK_SIZE):
            yield unpacker.decompress(part, most + 1)
            if unpacker.unconsumed_tail:
                raise FetchFailed("too_large", "packed more than we take")
    except zlib.error:
        raise FetchFailed("encoding", "is not packed as it says") from None
    if not unpacker.eof:
        raise FetchFailed("encoding", "ends too early")


def _resolve_redirect(url: URL, location: str | None) -> URL:
    """Return the target of a redirect; refuse anything but the web, and any step from https to http."""
    target = url.join(URL(location)) if location else None
    if target is None or target.scheme not in ("http", "https") or not target.host:
        raise FetchFailed("redirects", "to nowhere")
    if url.scheme == "https" and target.scheme != "https":
        raise FetchFailed("redirects", "from https to http")
    return target.with_user(None)


def _clean_header(value: str | None) -> str | None:
    """Return the value, or None if it is not printable: then it could neither be stored nor sent back."""
    return value if value and value.isprintable() else None


def _parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the delay in seconds, from seconds or from a date; at most a day."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (aware - datetime.now(UTC)).total_seconds()), MAX_RETRY_AFTER_SECONDS)


@asynccontextmanager
async def open_fetcher(
    contact: str | None, internal_hosts: Collection[str] = (), resolver: AbstractResolver | None = None
) -> AsyncIterator[Fetcher]:
    """Open a client whose User-Agent identifies us and gives a contact. It stores no cookies.

    It never connects to a private, loopback or link-local address, unless the host is one of `internal_hosts`.
    """
    agent = f"Kreisfunk (+{contact})" if contact else "Kreisfunk"
    headers = {"User-Agent": agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip, deflate"}
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(resolver=CheckedResolver(internal_hosts, resolver or aiohttp.ThreadedResolver()))
    async with aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        timeout=timeout,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Fetcher(session, internal_hosts)
