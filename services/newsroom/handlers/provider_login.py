"""Login through the identity provider, and the first connection of an account to it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_urlsafe

import msgspec

from services.newsroom.adapters.identity_provider import OidcProvider
from services.newsroom.domain.accounts import NotPermitted
from services.newsroom.domain.audit import Act
from services.newsroom.domain.identity import IdentityRefused, PendingLogin, ProviderIdentity, ProviderSubject
from services.newsroom.domain.login import ENDED, Credentials, LoginProof, SessionStage, Visitor, choose_destination
from services.newsroom.handlers.login import COOKIE_BYTES, LoginService, StartedSession

PENDING_PURPOSE = "newsroom-provider-login"
OFFER_PURPOSE = "newsroom-provider-offer"
_encode = msgspec.json.Encoder().encode
_decode_pending = msgspec.json.Decoder(PendingLogin).decode
_decode_subject = msgspec.json.Decoder(ProviderSubject).decode


@dataclass(frozen=True, kw_only=True)
class ProviderLogin:
    """Logins through the identity provider, for accounts that are connected to it."""

    provider: OidcProvider
    login: LoginService

    async def begin(self, destination: str, setting_up: Visitor | None = None) -> tuple[str, str]:
        """Begin a login, or the connection of a visitor's account during setup. Raises ProviderUnavailable.

        Return the URL to redirect the browser to, and the cookie that identifies its return.
        """
        state, nonce, verifier = (token_urlsafe(COOKIE_BYTES) for _ in range(3))
        pending = PendingLogin(
            state=state,
            nonce=nonce,
            verifier=verifier,
            begun_at=self.login.clock(),
            destination=choose_destination(destination),
            session=setting_up.session.hex() if setting_up else "",
        )
        ciphertext = self.login.ring.encrypt(_encode(pending), purpose=PENDING_PURPOSE)
        return await self.provider.build_login_url(pending), base64.urlsafe_b64encode(ciphertext).decode()

    async def finish(self, cookie: str, answer: Mapping[str, str]) -> tuple[PendingLogin, ProviderIdentity]:
        """Return the login begun by this browser, and the identity. Raises IdentityRefused and ProviderUnavailable."""
        try:
            plain = self.login.ring.decrypt(base64.urlsafe_b64decode(cookie), purpose=PENDING_PURPOSE)
        except ValueError:  # not base64, or not encrypted by us
            raise IdentityRefused("this browser has begun no login") from None
        pending = _decode_pending(plain)
        return pending, await self.provider.identify(pending, answer, self.login.clock())

    async def log_in(self, identity: ProviderIdentity) -> StartedSession | None:
        """Return a new session, None if no enabled account is connected to this identity."""
        credentials = await self.login.accounts.find_external(identity.subject)
        started = await self.login.start_session(credentials, LoginProof.IDENTITY_PROVIDER) if credentials else None
        self.login.count("succeeded" if started else "failed")
        return started

    def prepare_connection(self, pending: PendingLogin, identity: ProviderIdentity, visitor: Visitor | None) -> str:
        """Return the identity, encrypted for the form in which its owner confirms it. Raises NotPermitted.

        Without the form, a foreign page could send the browser here with an identity of its own.
        """
        if visitor is None or visitor.stage is not SessionStage.SETUP or visitor.session.hex() != pending.session:
            raise NotPermitted(ENDED)
        return self.login.ring.encrypt(_encode(identity.subject), purpose=OFFER_PURPOSE, index=visitor.session).hex()

    async def connect(self, visitor: Visitor, ciphertext: str) -> StartedSession:
        """Connect the account to an identity instead of a password. Raises NotPermitted and AccountProblem."""
        plain = self.login.open_form(visitor, ciphertext, OFFER_PURPOSE)
        subject, account = _decode_subject(plain), visitor.account
        act = Act(account=account.id, action="account.connected", object=account.login)
        await self.login.accounts.connect(visitor, subject, self.login.clock(), act)
        connected = Credentials(account=account, password_hash=None, password_ends_at=None, subject=subject)
        return await self.login.replace_session(connected, LoginProof.IDENTITY_PROVIDER)
