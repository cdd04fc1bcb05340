"""What the page for the data protection officer says is what the code does."""

import re

import pytest

from services.subscriptions.adapters.retention import ERASURE_ANSWER_KEPT, INBOX_KEPT, rules
from services.subscriptions.domain.records import INBOX_DAYS
from tests.unit.docs.generate import DOCS
from tests.unit.subscriptions.material import COUNTY

PAGE = (DOCS / "datenschutz.md").read_text()
MIGRATIONS = "".join(path.read_text() for path in sorted(DOCS.parent.glob("services/*/adapters/migrations/*.sql")))
CREATED = re.compile(r"create table (\w+)\.(\w+)")
DROPPED = re.compile(r"^drop table (\w+)\.(\w+);", re.MULTILINE)
WITHOUT_PEOPLE = {"cancellation", "rate", "status_stream", "broadcast_count", "delivery_other"}


def up_only() -> str:
    return "".join(re.findall(r"-- migrate:up\n(.*?)(?=-- migrate:down|\Z)", MIGRATIONS, re.DOTALL))


def tables() -> list[str]:
    existing = set(CREATED.findall(up_only())) - set(DROPPED.findall(up_only()))
    return sorted(table for _, table in existing if table not in WITHOUT_PEOPLE)


@pytest.mark.parametrize("table", ["subscriber", "consent", "inbox", "conversation", "feedback", "erasure", "delivery"])
def test_every_table_about_people_is_listed(table: str) -> None:
    assert table in tables()
    assert f"{table}`" in PAGE


def test_no_table_that_is_gone_is_listed() -> None:
    assert "hint`" not in PAGE


def test_the_periods_are_those_of_the_code() -> None:
    kept = rules(feedback_days=COUNTY.feedback_days, proof_days=COUNTY.proof_days)
    assert f"{COUNTY.proof_days} Tage" in PAGE
    assert f"{COUNTY.feedback_days} Tage" in PAGE
    assert (INBOX_KEPT.days, ERASURE_ANSWER_KEPT.days) == (INBOX_DAYS, 1)
    assert f"{INBOX_DAYS} Tage" in PAGE
    assert kept["conversation"].kept.days == 2
