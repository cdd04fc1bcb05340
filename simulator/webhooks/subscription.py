"""The app's subscription to webhooks: which events go where, and the handshake before an address is stored."""

import secrets
from collections.abc import Set
from dataclasses import dataclass
from typing import NamedTuple

import aiohttp

HANDSHAKE_TIMEOUT = aiohttp.ClientTimeout(total=10)
FIELDS = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_update",
        "business_capability_update",
        "message_template_components_update",
        "message_template_quality_update",
        "message_template_status_update",
        "messages",
        "phone_number_name_update",
        "phone_number_quality_update",
        "security",
        "template_category_update",
        "user_preferences",
    }
)


@dataclass
class WebhookSubscription:
    """Address and fields of the app, and whether the account's events go to the app.

    `override_url` is the account's own address, which takes precedence over the app's.
    """

    callback_url: str | None
    fields: Set[str] = FIELDS
    account_subscribed: bool = True
    override_url: str | None = None

    @property
    def url(self) -> str | None:
        return self.override_url or self.callback_url

    def is_sent(self, field: str) -> bool:
        """Return whether events of this field are sent; all others are lost, as they are at Meta."""
        return self.account_subscribed and self.url is not None and field in self.fields


class Handshake(NamedTuple):
    """Result of a handshake; `status` is None if there was no answer."""

    verified: bool
    status: int | None


async def verify_callback(session: aiohttp.ClientSession, url: str, token: str) -> Handshake:
    """Perform the handshake that Meta performs when an address is stored."""
    challenge = str(secrets.randbelow(10**9) + 10**9)
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
    try:
        async with session.get(url, params=query, timeout=HANDSHAKE_TIMEOUT, allow_redirects=False) as reply:
            body = await reply.content.read(len(challenge) + 1)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return Handshake(verified=False, status=None)
    return Handshake(verified=reply.status == 200 and body == challenge.encode(), status=reply.status)
