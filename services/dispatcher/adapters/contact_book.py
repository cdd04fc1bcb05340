"""Meta's contact book, which pairs numbers with user ids: entries are deleted on request.

Meta, "Business-scoped user IDs" (June 2026). Meta takes the user id in the address of the request; it goes to
Meta only, and is logged nowhere.
"""

import aiohttp
import structlog

from shared.contracts.message import Address
from shared.sealing import KeyRing, SealingError

GONE = (200, 400, 404)

_log = structlog.get_logger()


class ContactBook:
    """Implements ports.ContactBook on the session of the Graph API."""

    def __init__(self, session: aiohttp.ClientSession, *, url: str, keys: KeyRing) -> None:
        self._session = session
        self._url = url
        self._keys = keys

    async def forget(self, user: Address) -> bool:
        """Whether nothing is left to ask for; False means to try again later."""
        try:
            value = self._keys.open(user.sealed, purpose=user.kind.value, index=user.index).decode()
        except SealingError:
            _log.error("contact_book_unreadable")
            return True
        parameters = {"messaging_product": "whatsapp", "bsuid": value}
        try:
            async with self._session.delete(self._url, params=parameters) as response:
                _log.info("contact_book_asked", status=response.status)
                return response.status in GONE
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.warning("contact_book_away", reason=type(error).__name__)
            return False
