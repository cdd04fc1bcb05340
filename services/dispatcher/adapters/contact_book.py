"""Meta's contact book, which pairs numbers with user ids: entries are deleted on request.

Meta, "Business-scoped user IDs" (June 2026). Meta takes the user id in the address of the request; it goes to
Meta only, and is logged nowhere.
"""

import aiohttp
import structlog

from shared.contracts.message import Address
from shared.sealing import KeyRing, SealingError

TIMEOUT = aiohttp.ClientTimeout(total=10)

_log = structlog.get_logger()


async def forget_contact(session: aiohttp.ClientSession, url: str, keys: KeyRing, user: Address) -> bool:
    """Whether nothing is left to ask for; False means to try again later."""
    try:
        value = keys.open(user.sealed, purpose=user.kind.value, index=user.index).decode()
    except SealingError:
        _log.error("contact_book_unreadable")
        return True
    parameters = {"messaging_product": "whatsapp", "bsuid": value}
    try:
        async with session.delete(url, params=parameters, timeout=TIMEOUT) as response:
            _log.info("contact_book_asked", status=response.status)
            return response.status in (200, 400, 404)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        _log.warning("contact_book_away", reason=type(error).__name__)
        return False
