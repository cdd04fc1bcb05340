"""Key files go through the steps of a rotation, also if one is interrupted or two people take it at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import cli.keys.key_files
from cli.keys.key_files import KeyFilesError, Ring, add_index_key, add_key, drop_index_key, drop_key, use_index_key
from deploy.atomic_write import write_secret
from deploy.secrets import create_secrets
from shared.encryption import BlindIndexKey, KeyRing
from tests.harness.commands import CommandResult, run_in_process
from tests.harness.disks import FullDisk

Step = Callable[[Path], int]
FILES = {Ring.ADDRESSES: "encryption", Ring.DEAD_LETTERS: "dead_letter", Ring.NEWSROOM: "newsroom"}
ENCRYPTION_STEPS: Sequence[Step] = (add_key, drop_key)
INDEX_STEPS: Sequence[Step] = (add_index_key, use_index_key, drop_index_key)


def read_texts(folder: Path) -> dict[str, set[str]]:
    names = ("kreisfunk_encryption_keys", "kreisfunk_index_key")
    return {name: {path.read_text() for path in folder.glob(f"*/{name}")} for name in names}


@pytest.mark.parametrize("files", [1, 2, 3])
@pytest.mark.parametrize("steps", [ENCRYPTION_STEPS, INDEX_STEPS])
def test_a_change_that_was_interrupted_is_repeated_with_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: Sequence[Step], files: int
) -> None:
    create_secrets(tmp_path)
    for step in steps:
        with monkeypatch.context() as patch:
            patch.setattr(cli.keys.key_files, "write_secret", FullDisk(files).write)
            with pytest.raises(OSError, match="no space"):
                step(tmp_path)
        begun = read_texts(tmp_path)
        assert sorted(map(len, begun.values())) == [1, 2]
        for other in steps:
            if other is not step:
                with pytest.raises(KeyFilesError, match="repeat the step"):
                    other(tmp_path)
        assert step(tmp_path) == 2
        done = read_texts(tmp_path)
        assert all(len(texts) == 1 and texts <= begun[name] for name, texts in done.items())


def test_files_that_are_no_step_apart_are_left_alone(tmp_path: Path) -> None:
    create_secrets(tmp_path)
    other = tmp_path / "other"
    create_secrets(other)
    for name in ("kreisfunk_encryption_keys", "kreisfunk_index_key"):
        write_secret(tmp_path / "ingress" / name, (other / "ingress" / name).read_text())
    before = read_texts(tmp_path)
    for step in (*ENCRYPTION_STEPS, *INDEX_STEPS):
        with pytest.raises(KeyFilesError, match="must be the same"):
            step(tmp_path)
    assert read_texts(tmp_path) == before


def test_a_third_text_is_not_written_over(tmp_path: Path) -> None:
    """Though the others are one step apart."""
    create_secrets(tmp_path)
    create_secrets(tmp_path / "other")
    name = "kreisfunk_encryption_keys"
    first, third, *_ = sorted(tmp_path.glob(f"*/{name}"))
    write_secret(first, f"{first.read_text()},2:{'A' * 43}=")
    write_secret(third, (tmp_path / "other" / "ingress" / name).read_text())
    with pytest.raises(KeyFilesError, match="must be the same"):
        add_key(tmp_path)


@pytest.mark.parametrize("ring", Ring)
def test_each_ring_has_its_own_keys(tmp_path: Path, ring: Ring) -> None:
    create_secrets(tmp_path)
    rings = {path: path.read_text() for path in tmp_path.glob("*/kreisfunk_*_keys")}
    assert add_key(tmp_path, ring) == 2
    changed = {path for path, text in rings.items() if path.read_text() != text}
    assert {sorted(KeyRing.parse(path.read_text()).keys) == [1, 2] for path in changed} == {True}
    assert {path.name for path in changed} == {f"kreisfunk_{FILES[ring]}_keys"}
    assert drop_key(tmp_path, ring) == 2
    assert all(path.read_text().startswith("2:") for path in changed)


def test_several_who_add_at_once_add_a_version_each(tmp_path: Path) -> None:
    create_secrets(tmp_path)
    with ThreadPoolExecutor(8) as executor:
        versions = list(executor.map(add_key, [tmp_path] * 8))
    assert sorted(versions) == [2, 3, 4, 5, 6, 7, 8, 9]
    (ring,) = read_texts(tmp_path)["kreisfunk_encryption_keys"]
    assert sorted(KeyRing.parse(ring).keys) == [1, *sorted(versions)]


def test_a_folder_goes_through_all_steps_and_no_other(tmp_path: Path) -> None:
    create_secrets(tmp_path)
    first = read_index(tmp_path)
    refuse(tmp_path, use_index_key, drop_index_key)
    assert add_index_key(tmp_path) == 2
    added = read_index(tmp_path)
    assert (added.key, [BlindIndexKey(other).version for other in added.others]) == (first.key, [2])
    refuse(tmp_path, add_index_key, drop_index_key)
    assert use_index_key(tmp_path) == 2
    used = read_index(tmp_path)
    assert (used.key, used.others) == (added.others[0], (first.key,))
    refuse(tmp_path, add_index_key, use_index_key)
    assert drop_index_key(tmp_path) == 2
    assert read_index(tmp_path) == BlindIndexKey(used.key)
    assert add_index_key(tmp_path) == 3
    assert create_secrets(tmp_path) == ([], [])


def read_index(folder: Path) -> BlindIndexKey:
    """Return what every holder has."""
    (text,) = {path.read_text() for path in folder.glob("*/kreisfunk_index_key")}
    return BlindIndexKey.parse(text)


def refuse(folder: Path, *steps: Callable[[Path], int]) -> None:
    before = read_index(folder)
    for step in steps:
        with pytest.raises(KeyFilesError):
            step(folder)
    assert read_index(folder) == before


async def run_keys(*arguments: str) -> CommandResult:
    return await run_in_process("keys", *arguments, environment={})


async def test_no_step_shows_a_key_and_an_older_index_key_is_dropped_only_by_agreement(tmp_path: Path) -> None:
    create_secrets(tmp_path)
    folder = str(tmp_path)
    for step in ("add-index", "use-index"):
        done = await run_keys(step, folder)
        assert (done.status, show_keys(tmp_path, done)) == (0, [])
    before = read_index(tmp_path)
    asked = await run_keys("drop-index", folder)
    assert (asked.status, "Use --yes" in asked.errors) == (2, True)
    assert read_index(tmp_path) == before
    dropped = await run_keys("drop-index", folder, "--yes")
    assert (dropped.status, show_keys(tmp_path, dropped)) == (0, [])
    assert read_index(tmp_path) == BlindIndexKey(before.key)
    again = await run_keys("drop-index", folder)
    assert (again.status, "no older index key" in again.errors) == (1, True), "asked in vain"


async def test_a_new_key_reaches_every_holder_and_alone_stays_by_agreement(tmp_path: Path) -> None:
    create_secrets(tmp_path)
    folder = str(tmp_path)
    added = await run_keys("add", folder)
    assert (added.status, show_keys(tmp_path, added)) == (0, [])
    assert create_secrets(tmp_path) == ([], [])
    (before,) = read_texts(tmp_path)["kreisfunk_encryption_keys"]
    assert KeyRing.parse(before).keys.keys() == {1, 2}
    asked = await run_keys("drop", folder)
    assert (asked.status, "Use --yes" in asked.errors) == (2, True)
    assert read_texts(tmp_path)["kreisfunk_encryption_keys"] == {before}
    dropped = await run_keys("drop", folder, "--yes")
    assert (dropped.status, show_keys(tmp_path, dropped)) == (0, [])
    assert read_texts(tmp_path)["kreisfunk_encryption_keys"] == {before.split(",")[1]}
    again = await run_keys("drop", folder)
    assert (again.status, again.errors.split()) == (1, ["there", "is", "no", "older", "key"]), "asked in vain"


def show_keys(folder: Path, ended: CommandResult) -> list[str]:
    """The keys that a command has printed."""
    keys = [key for texts in read_texts(folder).values() for text in texts for key in text.split(",")]
    return [key for key in keys if key.rpartition(":")[2] in ended.everything]
