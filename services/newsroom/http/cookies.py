"""Cookies of the newsroom."""

from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, kw_only=True)
class CookieJar:
    """Access to our cookies; with https, the prefix `__Host-` of their names binds them to this host."""

    is_secure: bool

    def read(self, request: web.Request, name: str) -> str | None:
        return request.cookies.get(self._get_full_name(name))

    def set(
        self, response: web.Response, name: str, value: str, max_age: int | None = None, samesite: str = "Lax"
    ) -> None:
        """Set a cookie that expires after `max_age` seconds, or with the browser session."""
        full_name = self._get_full_name(name)
        response.set_cookie(
            full_name, value, max_age=max_age, httponly=True, secure=self.is_secure, samesite=samesite, path="/"
        )

    def clear(self, response: web.Response, name: str) -> None:
        self.set(response, name, "", 0)

    def _get_full_name(self, name: str) -> str:
        return f"{'__Host-' if self.is_secure else 'kreisfunk-'}{name}"
