"""A broker that is started again has forgotten that it was told to trace, but not what its configuration says.

Nor does it wait for the disk: processes are killed in tests, machines are not.
"""

from pathlib import Path


def trace_from_the_start(folder: Path, **settings: int) -> None:
    """For the private node that will have its files in this folder, on the vhost `/`, with these settings more."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    more = "".join(f", {{{name}, {value}}}" for name, value in settings.items())
    configuration = f'[{{rabbit, [{{trace_vhosts, [<<"/">>]}}{more}]}}, {{ra, [{{wal_sync_method, none}}]}}].\n'
    (folder / "advanced.config").write_text(configuration)
