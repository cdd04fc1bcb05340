"""Ports of the newsroom."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.newsroom.domain.accounts import Account, AccountRequest
from services.newsroom.domain.archive import ArchiveEntry
from services.newsroom.domain.audit import Act
from services.newsroom.domain.drafts import DraftDecision, DraftFilter, DraftState, DraftVersion, NoticeDraft
from services.newsroom.domain.identity import PendingLogin, ProviderIdentity, ProviderSubject
from services.newsroom.domain.listening import TopicAudience
from services.newsroom.domain.login import FailureScope, NewLogin, OpenSession, SessionStage, Visitor
from services.newsroom.domain.outbox import NoticeForecast, NoticePublication, PublishAnswer
from services.newsroom.domain.sending import MonthBudget
from shared.outcome import DependencyUnavailable


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Account with what proves its owner: password and one-time codes, or the identity provider.

    `password_ends_at` is that of a first password, with which nobody can do more than set up a login.
    """

    account: Account
    password_hash: str | None
    password_ends_at: datetime | None
    totp_sealed: bytes | None = None
    totp_step: int = 0
    subject: ProviderSubject | None = None


class AccountRepository(Protocol):
    """Accounts and requested changes; every change is stored with its act. Methods raise DatabaseUnavailable."""

    async def list_accounts(self) -> Sequence[Account]: ...

    async def find_account(self, login: str) -> Account | None: ...

    async def find_credentials(self, login: str) -> Credentials | None: ...

    async def find_external(self, subject: ProviderSubject) -> Credentials | None:
        """Return the account whose owner is known to the identity provider as this subject."""

    async def disable(self, account: UUID, now: datetime, act: Act) -> None:
        """Disable the account and end its sessions."""

    async def set_up(self, visitor: Visitor, login: NewLogin, now: datetime, act: Act) -> bool:
        """Set up a login and end all sessions of the account; return False if the visitor's has ended."""

    async def connect(self, visitor: Visitor, subject: ProviderSubject, now: datetime, act: Act) -> bool:
        """As `set_up`, with the identity provider instead of a password. Raises AccountProblem for a taken subject."""

    async def change_password(self, visitor: Visitor, old: str, new: str, now: datetime, act: Act) -> bool:
        """Replace the hash `old` and end the other sessions; return False if it was replaced or the session ended."""

    async def replace_recovery_codes(
        self, visitor: Visitor, password: str, codes: Sequence[bytes], now: datetime, act: Act
    ) -> bool:
        """As `change_password`, of the account with the hash `password`."""

    async def use_totp_step(self, account: UUID, step: int) -> bool:
        """Return False if this step or a later one was used."""

    async def use_recovery_code(self, account: UUID, code: bytes, now: datetime) -> bool:
        """Return False if there is no such code, or it was used."""

    async def add_request(self, request: AccountRequest, sealed: bytes, act: Act) -> bool:
        """Store the request with a sealed value that its confirmation needs; return False if the login has one open."""

    async def list_open_requests(self) -> Sequence[AccountRequest]: ...

    async def find_open_request(self, request: UUID) -> tuple[AccountRequest, bytes] | None: ...

    async def confirm(self, request: AccountRequest, decider: UUID, now: datetime, new: Credentials | None) -> bool:
        """Decide the request and carry it out, an invitation by creating `new`.

        Return False if it has been decided. Raises NotPermitted if decider or requester have lost the right by now, and
        AccountProblem if the login of an invitation is taken, or the account to be enabled is not blocked as it was.
        """

    async def refuse(self, request: AccountRequest, decider: UUID, now: datetime) -> bool:
        """Return False if it has been decided, or the decider is blocked by now."""


class SessionRepository(Protocol):
    """Sessions, known devices and counters of failed logins. Methods raise DatabaseUnavailable."""

    async def open_session(
        self, token_hash: bytes, csrf: str, stage: SessionStage, proven: Credentials, device: bytes | None, act: Act
    ) -> bool:
        """Store the session, and the device from which it was opened.

        Return False if the account was disabled or given another login since the credentials were read.
        """

    async def find_visitor(self, token_hash: bytes) -> Visitor | None:
        """Return the owner of an open session, and note the visit."""

    async def list_sessions(self, account: UUID) -> Sequence[OpenSession]: ...

    async def filter_open(self, token_hashes: Collection[bytes]) -> set[bytes]:
        """Return those of the sessions that are open; this is no visit."""

    async def end_session(self, token_hash: bytes, now: datetime, act: Act) -> None: ...

    async def end_sessions(self, account: UUID, now: datetime, act: Act, *, but: bytes | None = None) -> None: ...

    async def is_device_of(self, token_hash: bytes, login: str) -> bool: ...

    async def reserve_attempt(self, counters: Mapping[FailureScope, str], now: datetime) -> float:
        """Count an attempt as failed and return 0, or return how many seconds it has to wait, and count nothing.

        Counted before the password is checked, so that simultaneous attempts are counted, too.
        """

    async def settle_attempt(self, counters: Mapping[FailureScope, str]) -> None:
        """Take back the count of an attempt that succeeded."""


class PasswordHasher(Protocol):
    """Slow hash of passwords."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Return whether the password is right; takes as long if there is no hash."""


class ProviderAway(DependencyUnavailable):
    """The identity provider did not answer, or not as one."""


class IdentityProvider(Protocol):
    """The county's identity provider. Methods raise ProviderAway."""

    async def build_login_url(self, pending: PendingLogin) -> str:
        """Return where the browser is sent to log in."""

    async def identify(self, pending: PendingLogin, answer: Mapping[str, str], now: datetime) -> ProviderIdentity:
        """Return who has logged in; `answer` is what the browser brought back. Raises IdentityRefused."""

    async def find_logout_url(self) -> str | None:
        """Return where the browser is sent to log out there, too; None if there is no such page."""


class ArchiveSource(Protocol):
    """Entries of the public archive since a moment. Methods raise DatabaseUnavailable."""

    async def compute_digest(self, since: datetime) -> int:
        """Return a number that changes with the entries."""

    async def read_entries(self, since: datetime) -> Sequence[ArchiveEntry]: ...


class DraftNotFound(Exception):
    """Error: there is no such draft."""


class NoticesApiAway(DependencyUnavailable):
    """The notices API did not answer; nobody knows whether it took the notice."""


@dataclass(frozen=True, kw_only=True)
class DraftChange:
    """Change that the actor's act makes to a draft; None leaves that as it is. All of it is stored, or nothing."""

    actor: Account
    act: Act
    state: DraftState
    at: datetime
    version: DraftVersion | None = None
    decision: DraftDecision | None = None
    publication: NoticePublication | None = None
    emergency: str | None = None


DecideDraft = Callable[[NoticeDraft], DraftChange | None]
DecidePublication = Callable[[NoticeDraft, MonthBudget | None], DraftChange]


class DraftRepository(Protocol):
    """Drafts with all their versions."""

    async def create(self, draft: NoticeDraft, act: Act) -> NoticeDraft:
        """Create the draft, or resume one that its author has begun with the same content and not saved since."""

    async def create_published(self, draft: NoticeDraft, act: Act, decide: DecidePublication) -> NoticeDraft:
        """Create the draft and publish it, or store nothing. Raises as `change`."""

    async def find(self, draft: UUID) -> NoticeDraft:
        """Return the draft. Raises DraftNotFound."""

    async def change(self, draft: UUID, decide: DecideDraft) -> NoticeDraft:
        """Decide on the locked draft, store the change, and return the draft; None changes nothing.

        Raises DraftNotFound, NotPermitted if the actor's session was ended or a role taken away meanwhile, and whatever
        `decide` raises.
        """

    async def publish(self, draft: UUID, decide: DecidePublication) -> NoticeDraft:
        """As `change`, given its month's budget, too, of which nobody else can promise any before this is stored."""

    async def list_drafts(self, chosen: DraftFilter, limit: int) -> Sequence[NoticeDraft]:
        """Return the drafts that are chosen, the last changed first, without their decisions."""

    async def list_unreviewed(self) -> Sequence[NoticeDraft]:
        """Return what was published in an emergency and nobody has reviewed yet."""

    async def list_versions(self, draft: UUID) -> Sequence[DraftVersion]:
        """Return all versions, newest first."""

    async def list_recent_headlines(self, topic: str, since: datetime, besides: str) -> Sequence[tuple[str, datetime]]:
        """Return the headlines of the topic's broadcasts `since`, except those of one notice."""


class PublicationQueue(Protocol):
    """Publications that wait for the notices API. Methods raise DatabaseUnavailable."""

    async def list_due(self, now: datetime, limit: int) -> Sequence[NoticePublication]:
        """Return what is to be sent now, oldest first; of each notice only the oldest."""

    async def record_answer(self, publication: UUID, answer: PublishAnswer, now: datetime) -> None:
        """Record that the notices API accepted or rejected it; a rejection returns the draft to its editors."""

    async def record_failure(self, publication: UUID, next_at: datetime) -> None:
        """Record an attempt without an answer that counts."""


class NoticesApi(Protocol):
    """Client of the notices API."""

    async def publish(self, event: Mapping[str, Any]) -> PublishAnswer:
        """Publish the event; the same one may be published again. Raises NoticesApiAway."""

    async def check(self, event: bytes) -> NoticeForecast:
        """Return what publishing would do. Raises NoticesApiAway."""


class AudienceCounts(Protocol):
    """Counts of the people that each topic reaches. Methods raise DatabaseUnavailable."""

    async def list_counted_topics(self, since: datetime) -> Collection[str]:
        """Return the topics that were counted after that, and have anybody; the first are to be seen at once."""

    async def record_audience(self, counted: TopicAudience, at: datetime) -> None:
        """Record the count, in place of an earlier one of the same day."""
