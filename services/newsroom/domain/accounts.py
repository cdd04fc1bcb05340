"""Accounts of the press office: roles, rights, and changes that a second person has to confirm."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
MAX_NAME_LENGTH = 80


class Role(StrEnum):
    """Role of an account; an account may have several."""

    EDITOR = "editor"
    APPROVER = "approver"
    OPERATOR = "operator"
    LEAD = "lead"


class Right(StrEnum):
    """Right of an account. Writing and approving are separate; both may send. Operating includes none of these.

    MANAGE_BROADCASTS is to pause, resume and cancel those of others. COUNTERSIGN is to approve: any notice, or only
    those so expensive that a lead has to.
    """

    VIEW = "view"
    WRITE = "write"
    COUNTERSIGN = "countersign"
    APPROVE = "approve"
    APPROVE_AMOUNTS = "approve_amounts"
    SEND = "send"
    MANAGE_BROADCASTS = "manage_broadcasts"
    OPERATE = "operate"
    MANAGE_ACCOUNTS = "manage_accounts"
    READ_AUDIT = "read_audit"


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.EDITOR: frozenset({Right.VIEW, Right.WRITE, Right.SEND}),
    Role.APPROVER: frozenset({Right.VIEW, Right.COUNTERSIGN, Right.APPROVE, Right.SEND}),
    Role.OPERATOR: frozenset(
        {Right.VIEW, Right.MANAGE_BROADCASTS, Right.OPERATE, Right.MANAGE_ACCOUNTS, Right.READ_AUDIT}
    ),
    Role.LEAD: frozenset(
        {
            Right.VIEW,
            Right.COUNTERSIGN,
            Right.APPROVE_AMOUNTS,
            Right.MANAGE_BROADCASTS,
            Right.MANAGE_ACCOUNTS,
            Right.READ_AUDIT,
        }
    ),
}


class NotPermitted(Exception):
    """Raised when the account may not do this; the text says why, in German."""


class AccountProblem(ValueError):
    """Raised when an account cannot be as requested; the text says why, in German."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Account; `person` is the human, who may have several. `is_external`: it logs in at the identity provider.

    `session` is the one in which it acts, None outside of any.
    """

    id: UUID
    login: str
    name: str
    person: UUID
    roles: frozenset[Role]
    is_disabled: bool = False
    is_external: bool = False
    session: bytes | None = None

    def may(self, right: Right) -> bool:
        return not self.is_disabled and any(right in RIGHTS[role] for role in self.roles)

    def require(self, right: Right) -> None:
        """Raise NotPermitted unless the account has the right."""
        if not self.may(right):
            raise NotPermitted("Dafür fehlt Ihrem Konto das Recht.")


class AccountChange(StrEnum):
    """Change of an account that a second person has to confirm."""

    INVITE = "invite"
    ROLES = "roles"
    ENABLE = "enable"


@dataclass(frozen=True, kw_only=True)
class AccountRequest:
    """Requested change; `person` is the present or future owner of the account."""

    id: UUID
    change: AccountChange
    login: str
    name: str
    roles: frozenset[Role]
    person: UUID
    requested_by: Account
    requested_at: datetime

    def check_decider(self, decider: Account) -> None:
        """Raise NotPermitted unless the decider is neither the requester nor the account's owner."""
        decider.require(Right.MANAGE_ACCOUNTS)
        if decider.person in (self.requested_by.person, self.person):
            raise NotPermitted("Das muss eine zweite Person entscheiden, die es weder beantragt hat noch betrifft.")
        if not self.requested_by.may(Right.MANAGE_ACCOUNTS):
            raise NotPermitted("Wer das beantragt hat, hat dieses Recht nicht mehr. Bitte lehnen Sie ab.")


def parse_login(text: str) -> str:
    """Return the login in its stored form. Raises AccountProblem."""
    login = text.strip().lower()
    if not LOGIN.fullmatch(login):
        raise AccountProblem(
            "Der Anmeldename braucht 2 bis 40 Zeichen: Kleinbuchstaben ohne Umlaute, Ziffern, Punkte und Striche. Er"
            " beginnt mit einem Buchstaben oder einer Ziffer."
        )
    return login


def parse_name(text: str) -> str:
    """Return the name of a person with normalized spaces. Raises AccountProblem."""
    name = " ".join(text.split())
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise AccountProblem(f"Der Name braucht 1 bis {MAX_NAME_LENGTH} Zeichen.")
    return name


def parse_roles(texts: Collection[str]) -> frozenset[Role]:
    """Return the roles, at least one. Raises AccountProblem."""
    if not texts or not {*texts} <= {*Role}:
        raise AccountProblem("Wählen Sie mindestens eine Rolle.")
    return frozenset(Role(text) for text in texts)
