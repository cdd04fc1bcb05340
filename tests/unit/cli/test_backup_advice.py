"""What the commands for backups tell a person to do."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from cli.backup import describe_held, explain_file_errors
from cli.backup.holding import HeldWork

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "make room"), (errno.EACCES, "user 10001 has to own it"), (errno.ENOENT, "KREISFUNK_BACKUPS")],
    ids=errno.errorcode.get,
)
def test_a_file_that_cannot_be_used_leads_to_what_to_do(
    code: int, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), explain_file_errors(Path("/backups/file")):
        raise OSError(code, os.strerror(code))
    assert advice in " ".join(capsys.readouterr().err.split())


def test_what_comes_after_a_restore_is_told_in_the_order_in_which_it_is_done() -> None:
    held = HeldWork(
        saved_at=NOW, lost_at=NOW, replies=0, deliveries=0, broadcasts=0, scheduled=0, unfinished=0, returned=0
    )
    steps = ("dispatch.urgent and dispatch.bulk", "start the services", "deliveries unknown", "sending resume")
    places = [describe_held(held).find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)
