"""The log of acts speaks German."""

import re
from pathlib import Path

from services.newsroom import adapters, domain, handlers
from services.newsroom.http.audit_pages import ACTION_NAMES, describe_detail

FOLDERS = [Path(each.__path__[0]) for each in (adapters, domain, handlers)]


def test_every_act_has_a_name() -> None:
    source = "\n".join(path.read_text() for folder in FOLDERS for path in folder.glob("*.py"))
    acts = set(
        re.findall(
            r'"((?:account|account_request|broadcast|draft|letters|notice|sending|session|template)\.[a-z_]+)"', source
        )
    )
    assert len(acts) > 23
    assert acts - ACTION_NAMES.keys() == set()


def test_details_are_named() -> None:
    detail = {"change": "invite", "roles": "approver, lead", "reason": "lead", "version": ""}
    assert describe_detail(detail) == "Änderung: Neues Konto; Rollen: Freigabe, Leitung; Grund: lead"


def test_a_version_of_a_draft_is_not_called_what_a_revision_of_a_notice_is() -> None:
    assert describe_detail({"version": "1"}) == "Stand: 1"
