"""The settings of each process, read as that process would read them."""

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from cli.doctor.findings import Problem
from cli.doctor.kinds import KINDS
from cli.stacks import environment_of
from deploy.local.environments import Environment
from shared.runtime.settings import explain, secrets_folder


def read_all(processes: Mapping[str, Environment]) -> dict[str, BaseSettings | Problem]:
    """Settings, or what is wrong with them, by kind of process."""
    return {name: _read(KINDS[name].settings, environment) for name, environment in processes.items()}


def _read(kind: type[BaseSettings], environment: Environment) -> BaseSettings | Problem:
    with environment_of(environment):
        try:
            return kind(_secrets_dir=secrets_folder())
        except ValidationError as error:
            problems = [line.strip() for line in explain(error, kind).splitlines() if line.startswith("  ")]
    return Problem("; ".join(problems), "Set each as a variable, or as a file in the folder of its secrets.")
