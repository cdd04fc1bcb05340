"""Administration of accounts: granting rights needs a second person, removing them does not."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from secrets import token_urlsafe
from uuid import UUID, uuid4

from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.credentials import Argon2PasswordHasher
from services.newsroom.adapters.sessions import PostgresSessionRepository
from services.newsroom.domain.accounts import (
    Account,
    AccountChange,
    AccountProblem,
    AccountRequest,
    NotPermitted,
    Right,
    parse_login,
    parse_name,
    parse_roles,
)
from services.newsroom.domain.audit import Act
from services.newsroom.domain.login import FIRST_PASSWORD_LIFETIME, Credentials
from shared.encryption import EncryptionError, KeyRing
from shared.runtime.clock import Clock

HALF_PURPOSE = "newsroom-first-password"
HALF_BYTES = 9
_DECIDED = "Das ist schon entschieden."
# Without a script a button may be pressed twice: the second response replaces the one with half of the password.
_INVITED_TWICE = (
    " Haben Sie „Einladen“ zweimal gedrückt und den ersten Teil des Kennworts nicht gesehen: Ziehen Sie den Antrag"
    " unter „Konten“ zurück, und laden Sie noch einmal ein."
)
_CONFIRMED_TWICE = (
    " Haben Sie „Bestätigen“ zweimal gedrückt und den zweiten Teil des Kennworts nicht gesehen: Bitten Sie den Betrieb"
    " um ein neues Kennwort; wie das geht, steht auf der Seite des Kontos."
)


@dataclass(frozen=True, kw_only=True)
class AccountAdministration:
    """Requests, confirmations and blocks of accounts.

    The first password of an invited colleague has two halves: one is shown to the inviter, the other to the confirmer,
    so that neither of them alone can log in as the new account.
    """

    accounts: PostgresAccountRepository
    sessions: PostgresSessionRepository
    hasher: Argon2PasswordHasher
    ring: KeyRing
    clock: Clock

    async def get_account(self, login: str) -> Account:
        """Return the account. Raises AccountProblem if there is none."""
        account = await self.accounts.find_account(login)
        if account is None:
            raise AccountProblem("Dieses Konto gibt es nicht.")
        return account

    async def invite(
        self, actor: Account, *, login: str, name: str, roles: Collection[str], same_person_as: str
    ) -> str:
        """Request a new account; return the first half of its password. Raises AccountProblem.

        `same_person_as` is a login of the same human, empty without one.
        """
        login, name = parse_login(login), parse_name(name)
        if await self.accounts.find_account(login):
            raise AccountProblem("Diesen Anmeldenamen gibt es schon.")
        person = (await self.get_account(same_person_as)).person if same_person_as else uuid4()
        half = token_urlsafe(HALF_BYTES)
        account = Account(id=uuid4(), login=login, name=name, person=person, roles=parse_roles(roles))
        await self._request(AccountChange.INVITE, actor, account, half)
        return half

    async def request_roles(self, actor: Account, login: str, roles: Collection[str]) -> None:
        """Request other roles for an account. Raises AccountProblem."""
        account, new_roles = await self.get_account(login), parse_roles(roles)
        if new_roles == account.roles:
            raise AccountProblem("Diese Rollen hat das Konto schon.")
        await self._request(AccountChange.ROLES, actor, replace(account, roles=new_roles))

    async def request_enabling(self, actor: Account, login: str) -> None:
        """Request that a blocked account may log in again. Raises AccountProblem."""
        account = await self.get_account(login)
        if not account.is_disabled:
            raise AccountProblem("Dieses Konto ist nicht gesperrt.")
        await self._request(AccountChange.ENABLE, actor, account)

    async def confirm(self, actor: Account, request_id: UUID) -> str | None:
        """Apply a request; return the second half of an invited account's password.

        Raises NotPermitted unless a second person confirms, and AccountProblem.
        """
        request, ciphertext = await self._find(request_id, _CONFIRMED_TWICE)
        request.check_decider(actor)
        half, new = None, None
        if request.change is AccountChange.INVITE:
            half = token_urlsafe(HALF_BYTES)
            new = await self._build_account(request, self._open_half(request, ciphertext) + half)
        if not await self.accounts.confirm(request, actor.id, self.clock(), new):
            raise AccountProblem(f"{_DECIDED}{_CONFIRMED_TWICE}")
        return half

    def _open_half(self, request: AccountRequest, ciphertext: bytes) -> str:
        try:
            return self.ring.decrypt(ciphertext, purpose=HALF_PURPOSE, index=request.id.bytes).decode()
        except EncryptionError:
            raise AccountProblem(
                "Der Schlüssel der Redaktion wurde gewechselt. Bitte laden Sie noch einmal ein."
            ) from None

    async def refuse(self, actor: Account, request_id: UUID) -> None:
        """Refuse a request, or withdraw one's own. Raises AccountProblem."""
        request, _ = await self._find(request_id)
        actor.require(Right.MANAGE_ACCOUNTS)
        if not await self.accounts.refuse(request, actor.id, self.clock()):
            raise AccountProblem(_DECIDED)

    async def block(self, actor: Account, login: str) -> None:
        """Block an account, with immediate effect on its sessions. Raises AccountProblem or NotPermitted."""
        account = await self.get_account(login)
        if account.id == actor.id:
            raise NotPermitted("Das eigene Konto können Sie nicht sperren.")
        act = Act(account=actor.id, action="account.disabled", object=login)
        await self.accounts.disable(account.id, self.clock(), act)

    async def end_sessions(self, actor: Account, login: str) -> None:
        """End all sessions of an account. Raises AccountProblem."""
        account = await self.get_account(login)
        act = Act(account=actor.id, action="session.all_closed", object=login)
        await self.sessions.end_sessions(account.id, self.clock(), act)

    async def _request(self, change: AccountChange, actor: Account, account: Account, half: str = "") -> None:
        """Request a change that results in this account; `half` is that of a first password."""
        request = AccountRequest(
            id=uuid4(),
            change=change,
            login=account.login,
            name=account.name,
            roles=account.roles,
            person=account.person,
            requested_by=actor,
            requested_at=self.clock(),
        )
        ciphertext = self.ring.encrypt(half.encode(), purpose=HALF_PURPOSE, index=request.id.bytes)
        detail = {"change": request.change.value, "roles": ", ".join(sorted(request.roles))}
        act = Act(account=request.requested_by.id, action="account_request.made", object=request.login, detail=detail)
        if not await self.accounts.add_request(request, ciphertext, act):
            advice = _INVITED_TWICE if half else ""
            raise AccountProblem(f"Für diesen Anmeldenamen wartet schon ein Antrag auf eine Entscheidung.{advice}")

    async def _find(self, request_id: UUID, advice: str = "") -> tuple[AccountRequest, bytes]:
        found = await self.accounts.find_open_request(request_id)
        if found is None:
            raise AccountProblem(f"{_DECIDED}{advice}")
        return found

    async def _build_account(self, request: AccountRequest, password: str) -> Credentials:
        return Credentials(
            account=Account(
                id=uuid4(), login=request.login, name=request.name, person=request.person, roles=request.roles
            ),
            password_hash=await self.hasher.hash(password),
            password_ends_at=self.clock() + FIRST_PASSWORD_LIFETIME,
        )
