"""The settings of each process, read as that process would read them."""

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from cli.doctor.findings import DoctorProblem
from cli.doctor.process_kinds import PROCESS_KINDS
from cli.stacks import use_environment
from shared.runtime.settings import explain, find_secrets_folder


def read_all_settings(processes: Mapping[str, Mapping[str, str]]) -> dict[str, BaseSettings | DoctorProblem]:
    """Return settings, or the problem with them, by kind of process."""
    return {name: _read(PROCESS_KINDS[name].settings, environment) for name, environment in processes.items()}


def _read(kind: type[BaseSettings], environment: Mapping[str, str]) -> BaseSettings | DoctorProblem:
    with use_environment(environment):
        try:
            return kind(_secrets_dir=find_secrets_folder())
        except ValidationError as error:
            problems = [line.strip() for line in explain(error, kind).splitlines() if line.startswith("  ")]
    return DoctorProblem("; ".join(problems), "Set each as a variable, or as a file in the folder of its secrets.")
