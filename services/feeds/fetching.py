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
_TRANSLATION_PREFIXES = tuple(map(IPv6Network, ("64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")))  # operator-specific


class InternalAddress(Exception):
    """Raised when a host has an internal address but is not one of `internal_hosts`; the text names the host."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is at an internal address; to permit it, add it to internal_hosts")


def is_internal(address: str) -> bool:
    """Return whether an address is private, loopback, link-local or otherwise not public."""
    return any(
        not target.is_global or target.is_multicast or _is_local_ipv6(target)
        for target in _expand_address(ip_address(address))
    )


def _is_local_ipv6(address: IPv4Address | IPv6Address) -> bool:
    """Return whether it is an IPv6 address that may lead to an internal host although Python considers it global."""
    return isinstance(address, IPv6Address) and (
        address.is_site_local or any(address in network for network in _TRANSLATION_PREFIXES)
    )


def _expand_address(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """Yield the final destinations of packets: addresses embedded in an IPv6 address, or the address itself."""
    if isinstance(address, IPv4Address):
        yield address
        return
    candidates = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        candidates.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    embedded = [candidate for candidate in candidates if candidate is not None]
    yield from embedded or [address]


def check_literal_host(host: str, internal_hosts: Collection[str]) -> None:
    """Raise InternalAddress if the host is a literal internal address, which bypasses the resolver."""
    try:
        forbidden = host not in internal_hosts and is_internal(host)
    except ValueError:
        return
    if forbidden:
        raise InternalAddress(host)


@dataclass(frozen=True)
class CheckedResolver(AbstractResolver):
    """Resolver that checks each answer, and returns the checked addresses.

    The connection uses these, so a later DNS answer cannot redirect it (DNS rebinding).
    """

    internal_hosts: Collection[str]
    resolver: AbstractResolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve a host; raise InternalAddress if any address is internal, unless the host is in internal_hosts."""
        addresses = await self.resolver.resolve(host, port, family)
        if host not in self.internal_hosts and any(is_internal(result["host"]) for result in addresses):
            raise InternalAddress(host)
        return addresses

    async def close(self) -> None:
        await self.resolver.close()


FETCH_TIMEOUT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 10.0
MAX_BYTES = 2_000_000
MAX_REDIRECTS = 5
CHUNK_SIZE = 65_536
MAX_RETRY_AFTER_SECONDS = 86_400.0
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_ACCEPT = (
    "application/rss+xml, application/atom+xml, application/cap+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1"
)


class FetchFailed(Exception):
    """Raised when a fetch fails; `reason` is one of a few fixed words.

    `retry_after` is the delay in seconds that the website asked for.
    """

    def __init__(self, reason: str, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A response; `body` is None if the validators still match (304)."""

    body: bytes | None
    address: str
    content_type: str = ""
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class Fetcher:
    """HTTP client; `timeout_seconds` limits a whole fetch including redirects, MAX_BYTES the decompressed body."""

    session: aiohttp.ClientSession
    internal_hosts: Collection[str] = ()
    timeout_seconds: float = FETCH_TIMEOUT_SECONDS

    async def fetch(self, address: str, *, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        """Fetch an address, following redirects. Raises FetchFailed."""
        validators = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in validators.items() if value}
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self._follow(URL(address), headers)
        except TimeoutError:
            raise FetchFailed("timeout", f"no complete response within {self.timeout_seconds:g} s") from None
        except InternalAddress as error:
            raise FetchFailed("internal_address", str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchFailed("connection", describe_connection_error(error)) from None

    async def _follow(self, url: URL, headers: Mapping[str, str]) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            check_literal_host(url.host or "", self.internal_hosts)
            async with self.session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in _REDIRECT_STATUSES:
                    return await self._build_fetched(response, url)
                url = _resolve_redirect(url, response.headers.get("Location"))
        raise FetchFailed("redirects", f"more than {MAX_REDIRECTS}")

    async def _build_fetched(self, response: aiohttp.ClientResponse, url: URL) -> Fetched:
        if response.status not in (200, 304):
            raise FetchFailed(
                f"status_{response.status}", responses.get(response.status, ""), _parse_retry_after(response.headers)
            )
        return Fetched(
            body=await _read_body(response) if response.status == 200 else None,
            address=str(url),
            content_type=_clean_header(response.headers.get("Content-Type")) or "",
            etag=_clean_header(response.headers.get("ETag")),
            last_modified=_clean_header(response.headers.get("Last-Modified")),
        )


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Read the body; raise FetchFailed above MAX_BYTES, also after decompression."""
    if (response.content_length or 0) > MAX_BYTES:
        raise FetchFailed("too_large", f"more than {MAX_BYTES} bytes")
    body = bytearray()
    async for chunk in _decompress(response):
        body += chunk
        if len(body) > MAX_BYTES:
            raise FetchFailed("too_large", f"more than {MAX_BYTES} bytes")
    return bytes(body)


async def _decompress(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        async for chunk in response.content.iter_chunked(CHUNK_SIZE):
            yield chunk
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FetchFailed("encoding", "an encoding that was not requested")
    decompressor = zlib.decompressobj(47)  # gzip or zlib, detected from its header
    try:
        # Beyond the end it would keep whatever follows, without a limit.
        while not decompressor.eof and (chunk := await response.content.read(CHUNK_SIZE)):
            yield decompressor.decompress(chunk, MAX_BYTES + 1)
            if decompressor.unconsumed_tail:
                raise FetchFailed("too_large", "too large after decompression")
    except zlib.error:
        raise FetchFailed("encoding", "invalid compressed data") from None
    if not decompressor.eof:
        raise FetchFailed("encoding", "truncated compressed data")


def _resolve_redirect(url: URL, location: str | None) -> URL:
    """Return the target of a redirect; raise FetchFailed for other schemes, and from https to http."""
    try:
        target = url.join(URL(location)) if location else None
    except (ValueError, IndexError):  # the latter of yarl, for http://[]@
        target = None
    if target is None or target.scheme not in ("http", "https") or not target.host:
        raise FetchFailed("redirects", "without a valid target")
    if url.scheme == "https" and target.scheme != "https":
        raise FetchFailed("redirects", "from https to http")
    return target.with_user(None)


def _clean_header(value: str | None) -> str | None:
    """Return the value, None if it is not printable and so can neither be stored nor sent back."""
    return value if value and value.isprintable() else None


def _parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the delay in seconds, at most a day; the header contains seconds or a date."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), MAX_RETRY_AFTER_SECONDS)
    try:
        retry_at = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    retry_at_utc = retry_at if retry_at.tzinfo else retry_at.replace(tzinfo=UTC)
    return min(max(0.0, (retry_at_utc - datetime.now(UTC)).total_seconds()), MAX_RETRY_AFTER_SECONDS)


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
