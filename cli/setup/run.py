"""One run of `kreisfunk setup`: what was given, who is asked, and what a step says."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import aiohttp
import typer

from cli.doctor.findings import DoctorProblem
from cli.meta import MetaClient
from cli.output import EXIT_USAGE, console, fail
from cli.setup.refusals import explain_error
from cli.setup.settings import MetaSettings, SecretFiles


@dataclass(frozen=True, kw_only=True)
class SetupOptions:
    """The command line."""

    check: bool
    yes: bool
    token_file: Path | None
    app_secret_file: Path | None
    app_id: str | None
    callback_url: str | None
    provider: bool
    picture: Path | None
    test_to: str | None
    county: Path
    templates: Path


class StepState(StrEnum):
    """Progress of a step; OPEN: somebody has to wait or to decide, nothing is wrong."""

    OK = "ok"
    OPEN = "open"
    PROBLEM = "PROBLEM"


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """Finding or effect of a step. Neither holds a secret."""

    name: str
    state: StepState
    text: str
    advice: str = ""


def report_ok(name: str, text: str) -> StepResult:
    return StepResult(name=name, state=StepState.OK, text=text)


def report_open(name: str, text: str, advice: str) -> StepResult:
    return StepResult(name=name, state=StepState.OPEN, text=text, advice=advice)


def report_problem(name: str, problem: DoctorProblem) -> StepResult:
    return StepResult(name=name, state=StepState.PROBLEM, text=problem.what, advice=problem.advice)


@dataclass(frozen=True, kw_only=True)
class OperatorPrompt:
    """The person at the terminal, if there is one and they may be asked."""

    check: bool
    yes: bool

    def may(self, question: str) -> bool:
        """Return whether a change is wanted; without a terminal only with --yes."""
        if self.check:
            return False
        return self.yes or (console.is_terminal and typer.confirm(question, err=True))

    def ask(self, question: str, *, secret: bool = False) -> str:
        """Return what is typed in, empty if nobody is there or it was skipped with Enter."""
        if self.check or not console.is_terminal:
            return ""
        return str(typer.prompt(question, default="", show_default=False, hide_input=secret, err=True)).strip()


@dataclass(kw_only=True)
class SetupRun:
    """State of one run. Steps fill in what is None at first; `restart` are services that have to read a new secret."""

    settings: MetaSettings
    secrets: SecretFiles
    options: SetupOptions
    prompt: OperatorPrompt
    session: aiohttp.ClientSession
    callback_url: str | None = None
    token: str = field(default="", repr=False)
    app_id: str | None = None
    app_secret: str = field(default="", repr=False)
    restart: list[str] = field(default_factory=list)

    def build_client(self, token: str | None = None) -> MetaClient:
        """Return a client with this token, else with that of the system user."""
        url = self.settings.base_url
        return MetaClient(session=self.session, base_url=url, token=token or self.token, explain=explain_error)

    def build_app_client(self, secret: str | None = None) -> MetaClient:
        """Return a client that acts as the app itself, with this app secret or the one that was found."""
        return self.build_client(f"{self.app_id}|{secret or self.app_secret}")

    def store(self, file: str, value: str) -> None:
        """Store a secret, and remember which service has to read it."""
        self.secrets.write(file, value)
        self.restart.append(file.partition("/")[0])


def read_given(path: Path | None) -> str:
    """Return the secret in a file named on the command line; ends the command with status 2 if it holds none."""
    if path is None:
        return ""
    try:
        value = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read: {type(error).__name__}", status=EXIT_USAGE)
    if not value or any(map(str.isspace, value)):
        fail(f"{path} does not hold one secret, and nothing else.", status=EXIT_USAGE)
    return value
