"""A dashboard: panels, variables, annotations and links, from a TOML file in `boards` with the name of its JSON."""

import json
from pathlib import Path

import msgspec
from msgspec import Struct

from deploy.grafana.panels import DATASOURCE, RUNBOOKS, Json, Panel, build_link, build_process_panels, place_panels

BROADCASTS = 'sum(increase(kreisfunk_subscriptions_notices_total{result="accepted"}[$__rate_interval])) > 0'
STARTS = 'process_start_time_seconds{job="dispatcher"} * 1000'


class Dashboard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dashboard; with `job`, viewers choose among the instances of these jobs (a regular expression)."""

    title: str
    description: str
    panels: tuple[Panel, ...]
    name: str = ""
    job: str = ""
    has_process_panels: bool = True
    hours: str = "now-1h"
    refresh: str = "10s"
    graph_width: int = 8

    def render(self) -> str:
        """Return the file's content, with a line for each panel."""
        head = self.build_json()
        panels = ",\n".join(json.dumps(panel, ensure_ascii=False) for panel in head.pop("panels"))
        return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "panels": [\n{panels}\n]}}\n'

    def build_json(self) -> Json:
        return {
            "uid": f"kreisfunk-{self.name}",
            "title": self.title,
            "description": self.description,
            "tags": ["kreisfunk"],
            "schemaVersion": 39,
            "version": 1,
            "editable": False,
            "refresh": self.refresh,
            "time": {"from": self.hours, "to": "now"},
            "timezone": "browser",
            "graphTooltip": 1,
            "templating": {"list": self._build_variables()},
            "annotations": {
                "list": [
                    _build_annotation("Broadcasts", BROADCASTS, "blue", "A notice was accepted"),
                    {**_build_annotation("Starts", STARTS, "purple", "{{instance}} started"), "useValueForTime": "on"},
                ]
            },
            "links": [build_link("Kreisfunk", "", "kreisfunk"), build_link("Runbooks", RUNBOOKS)],
            "panels": list(place_panels(self.panels, self.graph_width)),
        }

    def _build_variables(self) -> list[Json]:
        datasource = {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "hide": 0,
        }
        if not self.job:
            return [datasource]
        return [datasource, _build_instance_variable(self.job)]


def read_dashboard(file: Path) -> Dashboard:
    """Read a dashboard, named like its file, and add the panels about its processes."""
    board = msgspec.toml.decode(file.read_bytes(), type=Dashboard)
    process_panels = build_process_panels(board.job) if board.job and board.has_process_panels else []
    return msgspec.structs.replace(board, name=file.stem, panels=(*board.panels, *process_panels))


def _build_instance_variable(job: str) -> Json:
    query = f'label_values(up{{job=~"{job}"}}, instance)'
    return {
        "name": "instance",
        "label": "Instance",
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": "instance"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
    }


def _build_annotation(name: str, expression: str, color: str, text: str) -> Json:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": color,
        "target": {"refId": name, "expr": expression, "interval": "15s"},
        "titleFormat": text,
    }


FOLDER = Path(__file__).parent / "dashboards"
BOARDS = tuple(read_dashboard(file) for file in sorted((Path(__file__).parent / "boards").glob("*.toml")))
