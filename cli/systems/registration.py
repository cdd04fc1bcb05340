"""Registration of a system in the county's file; the rest of the file stays unchanged."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from cli.output import EXIT_USAGE, fail, note, print_result
from cli.settings import COUNTY_FILE, read_county
from deploy.atomic_write import lock_folder, write_secret
from deploy.paths import CONFIG
from shared.notices.configuration import Configuration, System

_LISTS = ("sources", "topics")
_QUOTAS = ("notices_per_hour", "notices_per_day", "urgent_per_day")


def render_block(system: System) -> str:
    """Return the registration in TOML, with the quotas, which somebody may want to change."""
    lines = ["[[systems]]", f"name = {json.dumps(system.name)}"]
    lines += [f"{name} = {_format_list(getattr(system, name))}" for name in _LISTS]
    lines += [f"{name} = {getattr(system, name)}" for name in _QUOTAS]
    return "\n".join(lines) + "\n"


def _format_list(values: Sequence[str]) -> str:
    return f"[{', '.join(json.dumps(value, ensure_ascii=False) for value in values)}]"


def register(file: Path, system: System) -> None:
    """Append the registration. Raises DecodeError or OSError, and then leaves the file unchanged."""
    file = file.resolve()
    with lock_folder(file.parent):
        after = f"{file.read_text().rstrip()}\n\n{render_block(system)}"
        msgspec.toml.decode(after, type=Configuration)
        write_secret(file, after, mode=file.stat().st_mode & 0o777)


def add_system(values: dict[str, Any], county: Path | None, *, as_json: bool) -> None:
    """Register it and say so. Ends the command with status 2 if it cannot be so, 1 if the file cannot be written."""
    file = county or Path(os.environ.get(COUNTY_FILE) or CONFIG / "county.toml")
    read_county(file)
    system = _write(file, values)
    print_result({"registered": system, "file": str(file)}, f"registered {system.name} in {file}", json=as_json)
    if not as_json:
        note(
            "Start notices and subscriptions again, so that they know it. Then `kreisfunk tokens create` lets it in"
            " over HTTP, `kreisfunk systems login` over AMQP."
        )


def _write(file: Path, values: dict[str, Any]) -> System:
    try:
        system = msgspec.convert(values, System)
        register(file, system)
    except msgspec.DecodeError as error:
        fail(f"{values['name']}: cannot be registered: {error}", "The file is as it was.", EXIT_USAGE)
    except OSError as error:
        fail(f"{file}: {error.strerror}", f"Put this into the file where it can be written:\n\n{render_block(system)}")
    return system
