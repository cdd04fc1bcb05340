"""A broker that is started again has forgotten that it was told to trace, but not what its configuration says.

Nor does it wait for the disk: processes are killed in tests, machines are not.
"""

import json
from pathlib import Path


def trace_from_the_start(folder: Path, *vhosts: str) -> None:
    """For the private node that will have its files in this folder; `/` is one of the vhosts anyway."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = ",".join(f"<<{json.dumps(vhost)}>>" for vhost in ("/", *vhosts))
    lines = (f"[{{rabbit, [{{trace_vhosts, [{names}]}}]}},", " {ra, [{wal_sync_method, none}]}].\n")
    (folder / "advanced.config").write_text("\n".join(lines))
