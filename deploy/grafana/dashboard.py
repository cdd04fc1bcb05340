"""A dashboard: panels, variables, annotations and links."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.grafana.panels import DATASOURCE, RUNBOOKS, Json, Panel, build_link, place_panels

BROADCASTS = 'sum(increase(kreisfunk_subscriptions_notices_total{result="accepted"}[1m])) > 0'
STARTS = 'process_start_time_seconds{job="dispatcher"} * 1000'


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A dashboard; with `job`, whoever looks chooses among the instances of these jobs (a regular expression)."""

    name: str
    title: str
    description: str
    panels: Sequence[Panel]
    job: str = ""
    hours: str = "now-1h"
    refresh: str = "10s"

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
            "panels": list(place_panels(self.panels)),
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
        "target": {"refId": name, "expr": expression, "interval": "60s"},
        "titleFormat": text,
    }
