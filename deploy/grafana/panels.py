"""The features of Grafana's panels that we use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

DATASOURCE: Mapping[str, str] = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


@dataclass(frozen=True)
class Query:
    """An expression and its legend; Grafana substitutes `{{label}}` in it."""

    expression: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A graph, or with `alarm_above` a single number that turns red above that value."""

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    width: int = 8
    height: int = 8
    alarm_above: float | None = None

    def render_json(self, number: int, position: Json) -> Json:
        return {
            "id": number,
            "type": "timeseries" if self.alarm_above is None else "stat",
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": position,
            "targets": [_build_target(query, place) for place, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0, **self._build_style()}, "overrides": []},
            "options": self._build_options(),
        }

    def _build_style(self) -> Json:
        if self.alarm_above is None:
            return {"custom": {"lineWidth": 2, "fillOpacity": 10, "showPoints": "never"}}
        steps = [{"color": "green", "value": None}, {"color": "red", "value": self.alarm_above}]
        return {"thresholds": {"mode": "absolute", "steps": steps}}

    def _build_options(self) -> Json:
        if self.alarm_above is not None:
            return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


def _build_target(query: Query, place: int) -> Json:
    return {
        "refId": chr(ord("A") + place),
        "datasource": DATASOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
    }


def place_panels(panels: Sequence[Panel]) -> Iterator[Json]:
    """Yield the panels' JSON from left to right, row by row; a row is as high as its first panel."""
    column = top = height = 0
    for number, panel in enumerate(panels, start=1):
        if column + panel.width > COLUMNS:
            column, top = 0, top + height
        height = height if column else panel.height
        yield panel.render_json(number, {"x": column, "y": top, "w": panel.width, "h": panel.height})
        column += panel.width


def build_quantiles(histogram: str, selector: str = "") -> list[Query]:
    """Return queries for median, 95th and 99th percentile of a histogram, over all replicas together."""
    rate = f"sum by (le) (rate({histogram}_bucket{selector}[$__rate_interval]))"
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return [Query(f"histogram_quantile({share}, {rate})", name) for name, share in shares.items()]
