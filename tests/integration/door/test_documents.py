"""The documents are served to everybody; schemathesis finds no promise of theirs that the door does not keep."""

import json
import sys
from pathlib import Path

import pytest

from deploy.local.process import Child, Command
from tests.contract.openapi import text
from tests.integration.door.county import text_of
from tests.integration.door.door import Door

CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 403, 404, 422]

[checks.missing_required_header]
enabled = false
"""


async def test_the_document_and_its_page_need_no_token(door: Door) -> None:
    document = await door.ask("GET", "/openapi.json", token=None)
    assert (document.status, document.body) == (200, json.loads(text()))
    for path in ("/", "/docs"):
        found = await door.ask("GET", path, token=None)
        assert (found.status, found.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "script" not in found.text


@pytest.mark.timeout(300)
async def test_schemathesis_finds_nothing(door: Door, tmp_path: Path) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    command = Command(
        name="schemathesis",
        arguments=(
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={configuration}",
            "run",
            f"{door.url}/openapi.json",
            f"--header=Authorization: Bearer {text_of('press')}",
            "--max-examples=40",
            "--seed=1",
            "--no-color",
            "--suppress-health-check=all",
        ),
        log=tmp_path / "schemathesis.log",
        environment={"PATH": str(Path(sys.executable).parent), "HOME": str(tmp_path)},
        folder=tmp_path,  # where it keeps notes
    )
    child = Child(command)
    await child.start()
    status = await child.wait()
    assert status == 0, command.log.read_text()[-6000:]
    assert "Process" not in door.log
