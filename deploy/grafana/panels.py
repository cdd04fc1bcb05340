"""The features of Grafana's panels that we use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

Json = dict[str, Any]

DATASOURCE: Mapping[str, str] = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
NUMBER_SIZE = (6, 4)
GRAPH_HEIGHT = 8
RUNBOOKS = "https://example.org/kreisfunk/docs/runbooks"


@dataclass(frozen=True)
class Query:
    """An expression and its legend; Grafana substitutes `{{label}}` in it."""

    expression: str
    legend: str


class Panel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A single `number`, else a graph of `series` by legend or of `quantiles` of a histogram.

    Each of `windows` replaces WINDOW in the series. Values are red from `red_from` on, or below `red_below`. The panel
    links to the runbook of `alert`. `names` replace legends.
    """

    title: str
    description: str
    unit: str
    number: str = ""
    series: Mapping[str, str] = {}
    windows: tuple[str, ...] = ()
    quantiles: str = ""
    where: str = ""
    window: str = "$__rate_interval"
    red_from: int | float | None = None
    red_below: int | float | None = None
    alert: str = ""
    names: Mapping[str, str] = {}

    @property
    def queries(self) -> list[Query]:
        if self.number:
            return [Query(self.number, self.title)]
        if self.quantiles:
            return self._build_quantiles()
        repeated = self.windows or ("",)
        return [
            Query(expression.replace("WINDOW", window), legend.replace("WINDOW", window))
            for legend, expression in self.series.items()
            for window in repeated
        ]

    @property
    def is_count(self) -> bool:
        """Whether it is an integer count; Prometheus's increase is not, as it extrapolates."""
        return bool(self.number) and self.unit == "none"

    def _build_quantiles(self) -> list[Query]:
        """Return queries for median, 95th and 99th percentile, over all replicas together."""
        rate = f"sum by (le) (rate({self.quantiles}_bucket{{{self.where}}}[{self.window}]))"
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
        return [Query(f"histogram_quantile({share}, {rate})", name) for name, share in shares.items()]

    def render_json(self, number: int, position: Json) -> Json:
        return {
            "id": number,
            "type": "stat" if self.number else "timeseries",
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": position,
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": DATASOURCE,
                    "expr": query.expression,
                    "legendFormat": query.legend,
                }
                for index, query in enumerate(self.queries)
            ],
            "fieldConfig": {"defaults": self._build_defaults(), "overrides": self._build_overrides()},
            "options": self._build_options(),
            "links": [build_link(f"Runbook {self.alert}", f"{RUNBOOKS}/{self.alert}.md")] if self.alert else [],
        }

    def _build_defaults(self) -> Json:
        defaults: Json = {"unit": self.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": self._build_steps()}}
        if self.is_count:
            defaults["decimals"] = 0
        if not self.number:
            lines = "off" if self.red_from is None and self.red_below is None else "line"
            style = {"lineWidth": 2, "fillOpacity": 10, "showPoints": "never", "thresholdsStyle": {"mode": lines}}
            defaults |= {"color": {"mode": "palette-classic"}, "custom": style}
        return defaults

    def _build_overrides(self) -> list[Json]:
        return [
            {"matcher": {"id": "byName", "options": legend}, "properties": [{"id": "displayName", "value": name}]}
            for legend, name in self.names.items()
        ]

    def _build_steps(self) -> list[Json]:
        if self.red_below is not None:
            return [{"color": "red", "value": None}, {"color": "green", "value": self.red_below}]
        red = [] if self.red_from is None else [{"color": "red", "value": self.red_from}]
        return [{"color": "green", "value": None}, *red]

    def _build_options(self) -> Json:
        if self.number:
            reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
            return {
                "reduceOptions": reduced,
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "percentChangeColorMode": "standard",
                "showPercentChange": False,
                "textMode": "value",
                "wideLayout": True,
            }
        calcs = ["mean", "max", "lastNotNull"]
        return {
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": calcs},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


def build_link(title: str, url: str = "", *tags: str) -> Json:
    """Return a link to an address, or to all dashboards with these tags."""
    return {
        "type": "dashboards" if tags else "link",
        "title": title,
        "url": url,
        "tags": list(tags),
        "asDropdown": bool(tags),
        "icon": "external link",
        "includeVars": False,
        "keepTime": bool(tags),
        "targetBlank": not tags,
        "tooltip": "",
    }


def place_panels(panels: Sequence[Panel], graph_width: int) -> Iterator[Json]:
    """Yield the panels' JSON from left to right, row by row; a row is as high as its first panel."""
    column = top = row_height = 0
    for number, panel in enumerate(panels, start=1):
        width, height = NUMBER_SIZE if panel.number else (graph_width, GRAPH_HEIGHT)
        if column + width > COLUMNS:
            column, top = 0, top + row_height
        row_height = row_height if column else height
        yield panel.render_json(number, {"x": column, "y": top, "w": width, "h": height})
        column += width


def build_process_panels(job: str) -> list[Panel]:
    """Return the panels about the processes themselves, which every service has."""
    chosen = f'job=~"{job}",instance=~"$instance"'
    return [
        Panel(
            title="CPU",
            description="Seconds of CPU a second, by process.",
            unit="percentunit",
            series={"{{job}} {{instance}}": f"rate(process_cpu_seconds_total{{{chosen}}}[$__rate_interval])"},
        ),
        Panel(
            title="Memory",
            description="Resident memory, by process.",
            unit="bytes",
            series={"{{job}} {{instance}}": f"process_resident_memory_bytes{{{chosen}}}"},
        ),
        Panel(
            title="Ready",
            description="What a process needs: 1 while it is there.",
            unit="none",
            series={"{{job}} {{check}}": f"min by (job, check) (kreisfunk_ready{{{chosen}}})"},
            alert="ProcessUnavailable",
        ),
    ]
