"""All dashboards: each is a TOML file in this folder, named like the JSON that Grafana reads."""

from pathlib import Path

from deploy.grafana.dashboard import read_dashboard

FOLDER = Path(__file__).parents[1] / "dashboards"
BOARDS = tuple(read_dashboard(file) for file in sorted(Path(__file__).parent.glob("*.toml")))
