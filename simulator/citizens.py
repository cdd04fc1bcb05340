"""Citizens: their numbers, the identity they share with the business, their phones, and the file that stores them."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct, field

from simulator.access import ControlError
from simulator.identifiers import MAX_PHONES, make_phone_number, make_user_id
from simulator.limits import Burst
from simulator.settings import PREFIX, SettingsError
from simulator.states import MessageState

MAX_CHAT_LENGTH = 500


class Sharing(StrEnum):
    """Form in which the business learns a citizen's identity; integrators have seen all three."""

    PHONE = "phone"
    USER_ID_ONLY = "bsuid_only"
    USER_ID_AS_NUMBER = "bsuid_in_from"


class PhoneButton(Struct, frozen=True, gc=False):
    """A button that a citizen can press; `kind` decides which webhook the press causes."""

    id: str
    title: str
    kind: str
    description: str = ""


class PhoneContent(Struct, frozen=True, gc=False):
    text: str
    header: str = ""
    footer: str = ""
    buttons: tuple[PhoneButton, ...] = ()


class BusinessMessage(Struct, gc=False):
    """An accepted message of the business; for a `vanished` one the business gets neither response nor webhook."""

    sequence: int
    citizen: int
    wamid: str
    type: str
    content: PhoneContent
    accepted_at: float
    category: str
    delivery: str | None = None
    template: str | None = None
    by_user_id: bool = False
    vanished: bool = False
    state: MessageState = MessageState.ACCEPTED


class UserMessage(Struct, gc=False):
    """A message written by a citizen; `answered_at` is when the business answered its webhook with 200."""

    wamid: str
    type: str
    content: PhoneContent
    written_at: float
    answered_at: float | None = None
    state: MessageState = MessageState.SENT


class Citizen(Struct, gc=False):
    id: int
    phone: str
    user_id: str
    sharing: Sharing = Sharing.PHONE
    window_until: float = 0
    burst: Burst | None = None
    marketing_stopped: bool = False
    in_contact_book: bool = True
    shown: int = 0
    chat: deque[tuple[int, BusinessMessage | UserMessage]] = field(
        default_factory=lambda: deque(maxlen=MAX_CHAT_LENGTH)
    )

    @property
    def name(self) -> str:
        return f"Telefon {self.id}"

    @property
    def shares_phone(self) -> bool:
        return self.sharing is Sharing.PHONE

    @property
    def address(self) -> str:
        """Identifier that this citizen's message ids contain."""
        return self.phone if self.shares_phone else self.user_id

    def show(self, message: BusinessMessage | UserMessage) -> int:
        """Append a message to the chat; return its number there."""
        self.shown += 1
        self.chat.append((self.shown, message))
        return self.shown


class Identity(Struct, frozen=True):
    """Data of one citizen that survives a restart."""

    phone: str
    user_id: str
    sharing: Sharing


class Directory(Struct, frozen=True):
    """Data of all citizens that survives a restart.

    `used` counts the numbers assigned so far, including former numbers of citizens who changed theirs.
    """

    used: int = 0
    citizens: tuple[Identity, ...] = ()


NOBODY = Directory()


class Citizens:
    """All citizens, found by id, number or user id. `on_change` is called after each change of the directory."""

    def __init__(self, directory: Directory = NOBODY, on_change: Callable[["Citizens"], None] = lambda _: None) -> None:
        self._all: list[Citizen] = []
        self._by_phone: dict[str, Citizen] = {}
        self._by_user_id: dict[str, Citizen] = {}
        self._used = directory.used
        self._on_change = on_change
        for identity in directory.citizens:
            self._append(identity)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Citizen]:
        return iter(self._all)

    def add(self, sharings: Sequence[Sharing]) -> list[Citizen]:
        """Add one citizen per item of `sharings`, all or none.

        Raises ControlError if there are not enough numbers.
        """
        self._require_numbers(len(sharings))
        added = [self._append(Identity(*self._make_identity(), sharing)) for sharing in sharings]
        self._on_change(self)
        return added

    def find(self, citizen: int) -> Citizen | None:
        return self._all[citizen - 1] if 1 <= citizen <= len(self._all) else None

    def find_by_phone(self, digits: str) -> Citizen | None:
        return self._by_phone.get(digits)

    def find_by_user_id(self, identifier: str) -> Citizen | None:
        return self._by_user_id.get(identifier)

    def list_identities(self) -> Iterator[tuple[str, str]]:
        """Yield every number and user id assigned so far, former ones included."""
        return ((make_phone_number(index), make_user_id(index)) for index in range(self._used))

    def assign_new_number(self, citizen: Citizen) -> None:
        """Assign a new number and, as Meta does, a new user id; raise ControlError if no number is left."""
        self._require_numbers(1)
        del self._by_phone[citizen.phone], self._by_user_id[citizen.user_id]
        citizen.phone, citizen.user_id = self._make_identity()
        self._register(citizen)
        self._on_change(self)

    @property
    def directory(self) -> Directory:
        """The directory to store for the next start."""
        identities = (Identity(citizen.phone, citizen.user_id, citizen.sharing) for citizen in self._all)
        return Directory(self._used, tuple(identities))

    def _require_numbers(self, count: int) -> None:
        if self._used + count > MAX_PHONES:
            raise ControlError(409, "there are no fictional numbers left")

    def _append(self, identity: Identity) -> Citizen:
        citizen = Citizen(len(self._all) + 1, identity.phone, identity.user_id, identity.sharing)
        self._all.append(citizen)
        self._register(citizen)
        return citizen

    def _make_identity(self) -> tuple[str, str]:
        index = self._used
        self._used += 1
        return make_phone_number(index), make_user_id(index)

    def _register(self, citizen: Citizen) -> None:
        self._by_phone[citizen.phone] = citizen
        self._by_user_id[citizen.user_id] = citizen


def load_citizens(file: Path | None, min_count: int) -> Citizens:
    """Return the citizens in the file and new ones up to `min_count`; write every later change to the file.

    Raises SettingsError if the file cannot be read or decoded.
    """
    citizens = Citizens(_read(file), partial(_write, file)) if file else Citizens()
    missing = min_count - len(citizens)
    if missing > 0:
        citizens.add([Sharing.PHONE] * missing)
    return citizens


def _read(file: Path) -> Directory:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Directory)
    except FileNotFoundError:
        return NOBODY
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"{PREFIX}PHONES_FILE: {error}") from error


def _write(file: Path, citizens: Citizens) -> None:
    """Replace the file atomically, so that it stays complete if the process is killed."""
    draft = file.with_name(f".{file.name}.draft")
    draft.write_bytes(msgspec.json.encode(citizens.directory))
    os.replace(draft, file)
