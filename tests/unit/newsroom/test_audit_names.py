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
    detail = {
        "change": "invite",
        "roles": "approver, lead",
        "reason": "lead",
        "version": "1",
        "draft": "x",
        "people": "",
    }
    said = "Änderung: Neues Konto; Rollen: Freigabe, Leitung; Grund: lead; Stand: 1"
    assert describe_detail(detail) == said, "a version is called otherwise than the revision of a notice"
