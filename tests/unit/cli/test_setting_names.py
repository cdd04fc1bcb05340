"""A misspelled name in `.env` is found, and nothing that anything reads is called misspelled."""

import re
from pathlib import Path

import pytest

from cli.doctor.findings import DoctorProblem
from cli.doctor.setting_names import check_names, list_known_names
from tests.compose_file import ROOT, SERVICES


@pytest.mark.parametrize("file", ["docker-compose.yml", "docs/guides/operators.md", "deploy/edge/Caddyfile"])
def test_every_name_that_an_operator_meets_is_known(file: str) -> None:
    names = re.findall(r"KREISFUNK_[A-Z_]*[A-Z]", (ROOT / file).read_text())
    assert len(names) > 1
    assert set(names) - list_known_names() == set()


async def test_a_name_that_nothing_reads_is_told_and_no_value_is() -> None:
    found = await check_names({"KREISFUNK_PEOPEL_PER_DAY": "7777", "KREISFUNK_X": "1", "PATH": "/bin"})
    assert isinstance(found, DoctorProblem)
    assert "KREISFUNK_PEOPEL_PER_DAY, KREISFUNK_X" in found.what
    assert "did you mean KREISFUNK_PEOPLE_PER_DAY?" in found.advice
    assert "7777" not in f"{found}"


async def test_names_that_something_reads_are_no_problem() -> None:
    assert await check_names(dict.fromkeys(list_known_names() - {"KREISFUNK_SECRETS_DIR"}, "1")) is None


async def test_a_secret_that_is_a_variable_beside_its_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "kreisfunk_graph_token").write_text("x")
    given = {"KREISFUNK_SECRETS_DIR": str(tmp_path), "KREISFUNK_GRAPH_URL": "http://x"}
    assert await check_names(given) is None
    # The second one is the ingress's, whose folder the doctor does not see.
    twice = {"KREISFUNK_GRAPH_TOKEN": "secret-value", "KREISFUNK_APP_SECRETS": "secret-value"}
    found = await check_names({**given, **twice})
    assert isinstance(found, DoctorProblem)
    assert "KREISFUNK_APP_SECRETS, KREISFUNK_GRAPH_TOKEN: both a variable and a file" in found.what
    assert "secret-value" not in f"{found}"


def test_the_doctor_sees_what_is_in_the_file_of_variables() -> None:
    assert SERVICES["doctor"]["env_file"] == [{"path": ".env", "required": False}]
