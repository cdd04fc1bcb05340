"""Rights of accounts, and decisions about others."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from services.newsroom.domain.accounts import (
    RIGHTS,
    Account,
    AccountChange,
    AccountProblem,
    AccountRequest,
    NotPermitted,
    Right,
    Role,
    parse_login,
    parse_name,
    parse_roles,
)


def build_account(*roles: Role, person: UUID | None = None, is_disabled: bool = False) -> Account:
    return Account(
        id=uuid4(), login="x.y", name="X", person=person or uuid4(), roles=frozenset(roles), is_disabled=is_disabled
    )


REQUESTER = build_account(Role.OPERATOR)
REQUEST = AccountRequest(
    id=uuid4(),
    change=AccountChange.INVITE,
    login="neu",
    name="Neu",
    roles=frozenset({Role.EDITOR}),
    person=uuid4(),
    requested_by=REQUESTER,
    requested_at=datetime(2026, 11, 27, tzinfo=UTC),
)


def test_writing_approving_and_operating_are_separate() -> None:
    holders = {right: {role for role in Role if right in RIGHTS[role]} for right in Right}
    assert holders[Right.WRITE] == {Role.EDITOR}
    assert holders[Right.APPROVE] == {Role.APPROVER}
    assert holders[Right.OPERATE] == {Role.OPERATOR}
    assert holders[Right.VIEW] == set(Role)


def test_a_disabled_account_may_nothing() -> None:
    disabled = build_account(*Role, is_disabled=True)
    assert not [right for right in Right if disabled.may(right)]
    with pytest.raises(NotPermitted):
        disabled.require(Right.VIEW)


@pytest.mark.parametrize(
    ("decider", "is_permitted"),
    [
        (build_account(Role.LEAD), True),
        (build_account(Role.OPERATOR), True),
        (build_account(Role.EDITOR, Role.APPROVER), False),
        (REQUESTER, False),
        (build_account(Role.LEAD, person=REQUESTER.person), False),
        (build_account(Role.LEAD, person=REQUEST.person), False),
        (build_account(Role.LEAD, is_disabled=True), False),
    ],
)
def test_a_second_person_decides_whom_it_does_not_concern(decider: Account, is_permitted: bool) -> None:
    if is_permitted:
        REQUEST.check_decider(decider)
        return
    with pytest.raises(NotPermitted):
        REQUEST.check_decider(decider)


def test_what_a_blocked_account_requested_is_not_confirmed() -> None:
    blocked = replace(REQUEST, requested_by=build_account(Role.OPERATOR, is_disabled=True))
    with pytest.raises(NotPermitted, match="lehnen Sie ab"):
        blocked.check_decider(build_account(Role.LEAD))


@pytest.mark.parametrize("login", ["", "a", "A b", "ä.b", ".ab", "a/b", "a" * 41, "a\nb", "a\0b"])
def test_a_login_is_plain_and_stored_in_small_letters(login: str) -> None:
    assert parse_login("  R.Nord ") == "r.nord"
    with pytest.raises(AccountProblem):
        parse_login(login)


@pytest.mark.parametrize("name", ["", "   ", "a" * 81, "a\u202eb", "a\0b"])
def test_a_name_is_short_and_visible(name: str) -> None:
    with pytest.raises(AccountProblem):
        parse_name(name)


def test_roles_are_known_and_there_is_one_at_least() -> None:
    assert parse_roles(["editor", "lead"]) == {Role.EDITOR, Role.LEAD}
    for wrong in ([], ["root"], ["editor", "root"]):
        with pytest.raises(AccountProblem):
            parse_roles(wrong)
