"""A lock that permits one stack per folder, and a file in which commands find a running stack."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from deploy import LocalError
from deploy.atomic_write import write_secret

STACK_FILE = "stack.json"
LOCK_FILE = "lock"
BUSINESS_ACCOUNT_ID = "100200300400500"  # the simulator's, in every local stack

Environment = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class StackAddresses:
    """Addresses of a running stack.

    `processes` has the environments by kind of process, with `admin` for migrations; the fields after it are the
    environments of commands, each with only what it needs.
    """

    simulator_url: str
    phones_url: str = field(repr=False)
    control_token: str = field(repr=False)
    ingress_url: str
    ingress_urls: list[str]
    notices_api_url: str
    newsroom_url: str
    archive_url: str
    metrics_urls: dict[str, str]
    broker_url: str = field(repr=False)
    broker_api_url: str
    database_url: str = field(repr=False)
    monitor_database_url: str = field(repr=False)
    processes: dict[str, Environment]
    publisher: Environment
    feeds: Environment
    operator: Environment
    rotation: Environment
    quarantine: Environment
    tokens: Environment
    systems: Environment
    users: Environment


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock the folder; the kernel releases the lock if we die, so a locked folder has a running stack."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = lock.read().strip() or "unknown"
            raise LocalError(f"A stack runs in {folder} already (process {owner}). End it first.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def publish_addresses(folder: Path, addresses: StackAddresses) -> Iterator[None]:
    path = folder / STACK_FILE
    write_secret(path, json.dumps(asdict(addresses), indent=2))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_running_stack(folder: Path) -> StackAddresses | None:
    """Return the addresses of the stack running in the folder, or None; leftovers of a killed stack do not count.

    Raises LocalError if the stack was started by another version.
    """
    if not _is_locked(folder):
        return None
    try:
        return msgspec.json.decode((folder / STACK_FILE).read_bytes(), type=StackAddresses)
    except FileNotFoundError:
        return None  # the stack is still starting
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = f"The stack that runs in {folder} was started by another version. End it, and start it again."
        raise LocalError(problem) from None


def _is_locked(folder: Path) -> bool:
    try:
        with open(folder / LOCK_FILE) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
