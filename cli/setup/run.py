"""One run of `kreisfunk setup`: its installation, options and questions, and the results of steps."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import aiohttp
import typer
from pydantic import Field

from cli.meta import MetaClient
from cli.output import Exit, console, fail
from cli.stacks import find_stack, read_settings_from
from deploy.atomic_write import write_secret
from deploy.stack_file import BUSINESS_ACCOUNT_ID
from services.dispatcher.settings import UNENCRYPTED_HOSTS, GraphUrl
from shared.runtime.settings import PREFIX, SECRETS_DIR, EnvironmentSettings, require_word

GRAPH_URL = f"{PREFIX}GRAPH_URL"
VERIFY_TOKEN = "ingress/kreisfunk_verify_token"  # noqa: S105 - the path of its file


class MetaSettings(EnvironmentSettings):
    graph_url: GraphUrl = Field(description="https://graph.facebook.com, or a solution provider's address")
    graph_version: str = Field("v26.0", pattern=r"^v\d+\.\d+$", description="version of Meta's interface")
    phone_number_id: str = Field(pattern=r"^\d{5,20}$", description="Meta's id of our number")
    waba_id: str = Field(pattern=r"^\d{5,30}$", description="Meta's id of our account")
    messages_per_second: float = Field(80, gt=0, le=10_000, description="Meta's limit for our number")
    people_per_day: int | None = Field(None, gt=0, description="Meta's tier: different people in any 24 hours")

    @property
    def base_url(self) -> str:
        return f"{str(self.graph_url).rstrip('/')}/{self.graph_version}"

    @property
    def simulated(self) -> bool:
        """Whether a simulator stands in for Meta; only then our own address may be without TLS."""
        return self.graph_url.host in UNENCRYPTED_HOSTS


def find_target(stack: Path | None, environment: Mapping[str, str]) -> tuple[MetaSettings, Path, str | None]:
    """Return settings, folder of secrets and callback URL of the local stack, else those of the environment.

    Ends the command with status 2 if there is none.
    """
    running = find_stack(stack, environment, GRAPH_URL)
    if running is not None:
        dispatcher = running.processes["dispatcher"]
        settings = read_settings_from({**dispatcher, f"{PREFIX}WABA_ID": BUSINESS_ACCOUNT_ID}, MetaSettings)
        return settings, Path(dispatcher[SECRETS_DIR]).parent, f"{running.ingress_url}/webhook"
    folder = Path(environment.get(SECRETS_DIR) or ".")
    if missing := [name for name in ("dispatcher", "ingress") if not (folder / name).is_dir()]:
        advice = "`kreisfunk secrets FOLDER` creates it; with containers it is `docker compose run --rm setup`."
        fail(f"{SECRETS_DIR} has no folder {' and no folder '.join(missing)}.", advice, Exit.USAGE)
    return read_settings_from(environment, MetaSettings), folder, None


class StepState(StrEnum):
    """Result of a step; OPEN: nothing is wrong, but somebody has to wait or to decide."""

    OK = "ok"
    OPEN = "open"
    PROBLEM = "PROBLEM"


class StepResult(NamedTuple):
    """Finding or effect of a step. Neither holds a secret."""

    name: str
    state: StepState
    text: str
    advice: str = ""


def report_ok(name: str, text: str) -> StepResult:
    return StepResult(name, StepState.OK, text)


def report_open(name: str, text: str, advice: str = "Run this without --check, or with --yes.") -> StepResult:
    return StepResult(name, StepState.OPEN, text, advice)


def report_problem(name: str, text: str, advice: str) -> StepResult:
    return StepResult(name, StepState.PROBLEM, text, advice)


@dataclass(kw_only=True)
class SetupRun:
    """The command line, and the state of one run.

    Steps fill in what is empty at first; `callback_url` is that of a local stack until a step chooses one. `restart`
    are services that have to read a new secret.
    """

    settings: MetaSettings
    secrets: Path
    county: Path
    templates: Path
    check: bool = False
    yes: bool = False
    token_file: Path | None = None
    app_secret_file: Path | None = None
    app_id: str | None = None
    given_url: str | None = None
    provider: bool = False
    picture: Path | None = None
    test_to: str | None = None
    callback_url: str | None = None
    session: aiohttp.ClientSession = field(init=False)
    token: str = field(default="", repr=False)
    app_secret: str = field(default="", repr=False)
    restart: list[str] = field(default_factory=list)

    def may(self, question: str) -> bool:
        """Return whether a change is permitted; without a terminal, only with --yes."""
        if self.check or self.yes or not console.is_terminal:
            return self.yes and not self.check
        with _restore_interrupt():
            return typer.confirm(question, err=True)

    def ask(self, question: str, *, secret: bool = False) -> str:
        """Return the typed answer, empty without a terminal or if skipped with Enter."""
        if self.check or not console.is_terminal:
            return ""
        with _restore_interrupt():
            return str(typer.prompt(question, default="", show_default=False, hide_input=secret, err=True)).strip()

    def build_client(self, token: str | None = None) -> MetaClient:
        """Return a client with this token, else with that of the system user."""
        return MetaClient(session=self.session, base_url=self.settings.base_url, token=token or self.token)

    def build_app_client(self, secret: str | None = None) -> MetaClient:
        """Return a client that acts as the app itself, with this app secret or the one of the run."""
        return self.build_client(f"{self.app_id}|{secret or self.app_secret}")

    def read_secret(self, file: str) -> str:
        """Return the secret, empty if there is none yet."""
        path = self.secrets / file
        return path.read_text(errors="replace").strip() if path.is_file() else ""

    def store(self, file: str, value: str) -> None:
        """Store a secret, and remember which service has to read it."""
        write_secret(self.secrets / file, value)
        self.restart.append(file.partition("/")[0])


@contextmanager
def _restore_interrupt() -> Iterator[None]:
    """Let Ctrl-C end a question: asyncio's own handler takes effect only once the loop continues."""
    previous_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler)


def read_secret_file(path: Path | None) -> str:
    """Return the secret in a file named on the command line; ends the command with status 2 if it holds none."""
    if path is None:
        return ""
    try:
        value = path.read_text().strip()
        require_word(value)
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}", status=Exit.USAGE)
    except ValueError:
        advice = "One word of printable ASCII: is there another line, a BOM or an invisible character?"
        fail(f"{path} must contain exactly one secret.", advice, Exit.USAGE)
    return value
