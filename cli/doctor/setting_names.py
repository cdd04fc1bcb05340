"""Names in the environment that nothing reads, such as a misspelled one in `.env`."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from cli.doctor.findings import DoctorProblem
from cli.doctor.installation import SECRETS_DIR
from cli.setup.run import MetaSettings
from deploy.secrets import FILES
from services.feeds.settings import Settings as Feeds
from shared.runtime.settings import PREFIX, EnvironmentSettings

# Those that only docker-compose.yml or an option of a command reads.
OTHER_NAMES = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("IMAGE", "BACKUPS", "INGRESS_PORT", "SIMULATOR_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"),
        *("EDGE_HOST", "EDGE_HTTP_PORT", "EDGE_INGRESS", "EDGE_TLS"),
        "SECRETS_DIR",
    )
)


_SECRET_FILES = {PurePosixPath(file).name for file in FILES}


def list_known_names() -> set[str]:
    """Return the name of every setting that anything reads."""
    kinds = (EnvironmentSettings, MetaSettings, Feeds)  # named, so that they are imported like those of all others
    return {name for kind in kinds for name in _list_names(kind)} | OTHER_NAMES


def _list_names(kind: type[EnvironmentSettings]) -> Iterator[str]:
    yield from (f"{PREFIX}{name.upper()}" for name in kind.model_fields)
    for derived in kind.__subclasses__():
        yield from _list_names(derived)


async def check_names(environment: Mapping[str, str]) -> DoctorProblem | None:
    """Return a problem if any name begins like a setting and is none, or is a secret twice; no value is told."""
    known = list_known_names()
    unknown = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    if unknown:
        similar = {name: get_close_matches(name, known, 1, cutoff=0.8) for name in unknown}
        guesses = "; ".join(f"{name}: did you mean {found[0]}?" for name, found in similar.items() if found)
        advice = "docs/guides/operators.md lists all settings."
        return DoctorProblem(f"nothing reads {', '.join(unknown)}", f"{guesses} {advice}".strip())
    twice = sorted(name for name in environment if name in known and _has_file(environment, name))
    if twice:
        what = f"{', '.join(twice)}: both a variable and a file"
        return DoctorProblem(
            what, "Remove it from .env: containers get the file only, and what is checked here differs."
        )
    return None


def _has_file(environment: Mapping[str, str], name: str) -> bool:
    """Return whether it is a secret whose file a process in a container gets, whoever that is."""
    folder = environment.get(SECRETS_DIR, "")
    return bool(folder) and (name.lower() in _SECRET_FILES or any(Path(folder).glob(f"**/{name.lower()}")))
