"""Migrations that old and new code both live with, and that lock no table for long, by squawk.

The first migration of a service creates its schema, and nothing runs beside it yet.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.paths import ROOT
from shared.database.migrations import Migration, read_migrations

SQUAWK = Path(os.environ["KREISFUNK_TEST_PUBLICATION"]) / "bin" / "squawk"
# A migration runs once, as a whole or not at all.
EXCLUDED = ("prefer-robust-stmts", "require-timeout-settings", "prefer-text-field", "prefer-bigint-over-int")


def lint(migration: Migration, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / f"{migration.version}.sql"
    path.write_text(migration.sql)
    options = [f"--exclude={rule}" for rule in EXCLUDED] + ["--assume-in-transaction"] * migration.transactional
    command = [str(SQUAWK), "--pg-version=17.0", *options, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def find_later_migrations() -> Iterator[Migration]:
    for folder in sorted(ROOT.glob("services/*/adapters/migrations")):
        yield from read_migrations(folder)[1:]


def test_each_migration_can_run_beside_the_code_before_it(tmp_path: Path) -> None:
    for migration in find_later_migrations():
        ended = lint(migration, tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "alter table dispatcher.delivery add column note text not null;",
        "alter table dispatcher.delivery drop column lane;",
        "alter table dispatcher.delivery rename column lane to queue;",
        "alter table dispatcher.delivery alter column attempt type bigint;",
        "alter table dispatcher.delivery add constraint few check (attempt < 9);",
        "create index delivery_lane on dispatcher.delivery (lane);",
        "drop table dispatcher.suppression;",
    ],
)
def test_what_would_break_or_block_the_code_before_it_is_found(tmp_path: Path, statement: str) -> None:
    assert lint(Migration("1", statement, transactional=True), tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("statement", "transactional"),
    [
        ("alter table dispatcher.delivery add column note text;", True),
        ("alter table dispatcher.delivery add constraint few check (attempt < 9) not valid;", True),
        ("create table dispatcher.note (id bigint primary key);", True),
        ("create index concurrently delivery_lane on dispatcher.delivery (lane);", False),
    ],
)
def test_what_harms_nobody_is_permitted(tmp_path: Path, statement: str, transactional: bool) -> None:
    ended = lint(Migration("1", statement, transactional), tmp_path)
    assert ended.returncode == 0, ended.stdout
