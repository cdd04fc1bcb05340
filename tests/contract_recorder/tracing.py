"""Tracing by configuration, as a restarted broker forgets tracing that was enabled by a command.

The configuration also disables waiting for the disk, as tests kill processes, not machines.
"""

from pathlib import Path


def trace_from_the_start(folder: Path, **settings: int) -> None:
    """Configure the private node with files in this folder to trace the vhost `/`, with additional settings."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    extra = "".join(f", {{{name}, {value}}}" for name, value in settings.items())
    configuration = f'[{{rabbit, [{{trace_vhosts, [<<"/">>]}}{extra}]}}, {{ra, [{{wal_sync_method, none}}]}}].\n'
    (folder / "advanced.config").write_text(configuration)
