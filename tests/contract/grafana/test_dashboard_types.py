"""The dashboards by the types of Grafana's own schema."""

import json
import subprocess
from pathlib import Path

from deploy.grafana.dashboard import BOARDS

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
OPTIONS = ("--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler")


def test_every_dashboard_is_of_grafanas_types() -> None:
    boards = json.dumps([json.loads(dashboard.render()) for dashboard in BOARDS])
    file = MODULES / ".check.ts"  # where it finds the types
    try:
        file.write_text((FOLDER / "dashboard.ts").read_text().replace("BOARDS", boards))
        ended = subprocess.run((MODULES / ".bin" / "tsc", *OPTIONS, file), capture_output=True, text=True, check=False)
    finally:
        file.unlink(missing_ok=True)
    assert (ended.returncode, ended.stdout) == (0, "")
