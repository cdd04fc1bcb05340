"""The features of Grafana's panels that we use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

DATASOURCE: Mapping[str, str] = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
# Filled in by Grafana: the variable `instance`.
INSTANCE = 'instance=~"$instance"'
RUNBOOKS = "https://example.org/kreisfunk/docs/runbooks"


@dataclass(frozen=True)
class Query:
    """An expression and its legend; Grafana substitutes `{{label}}` in it."""

    expression: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A graph, or a single number; red from `red_from` on, or below `red_below`.

    `alert` is the alert about the same thing, to whose runbook the panel leads. `names` are shown in place of legends.
    """

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    width: int = 8
    height: int = 8
    is_number: bool = False
    red_from: float | None = None
    red_below: float | None = None
    alert: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def render_json(self, number: int, position: Json) -> Json:
        return {
            "id": number,
            "type": "stat" if self.is_number else "timeseries",
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": position,
            "targets": [_build_target(query, place) for place, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._build_defaults(), "overrides": self._build_overrides()},
            "options": self._build_options(),
            "links": self._build_links(),
        }

    def _build_defaults(self) -> Json:
        defaults: Json = {"unit": self.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": self._build_steps()}}
        if not self.is_number:
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
        if self.is_number:
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

    def _build_links(self) -> list[Json]:
        return [build_link(f"Runbook {self.alert}", f"{RUNBOOKS}/{self.alert}.md")] if self.alert else []


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


def build_number(title: str, description: str, unit: str, expression: str, **given: Any) -> Panel:
    """Return a single number of a quarter of the width."""
    query = Query(expression, title)
    return Panel(
        **{"width": 6, "height": 4, **given},
        title=title,
        description=description,
        unit=unit,
        queries=[query],
        is_number=True,
    )


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


def build_quantiles(histogram: str, selector: str = "", window: str = "$__rate_interval") -> list[Query]:
    """Return queries for median, 95th and 99th percentile of a histogram, over all replicas together."""
    rate = f"sum by (le) (rate({histogram}_bucket{{{selector}}}[{window}]))"
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return [Query(f"histogram_quantile({share}, {rate})", name) for name, share in shares.items()]


def build_process_panels(job: str) -> list[Panel]:
    """Return the panels about the processes themselves, which every service has."""
    chosen = f'job=~"{job}",{INSTANCE}'
    return [
        Panel(
            title="CPU",
            description="Seconds of CPU a second, by process.",
            unit="percentunit",
            queries=[Query(f"rate(process_cpu_seconds_total{{{chosen}}}[$__rate_interval])", "{{job}} {{instance}}")],
        ),
        Panel(
            title="Memory",
            description="Resident memory, by process.",
            unit="bytes",
            queries=[Query(f"process_resident_memory_bytes{{{chosen}}}", "{{job}} {{instance}}")],
        ),
        Panel(
            title="Ready",
            description="What a process needs: 1 while it is there.",
            unit="none",
            queries=[Query(f"min by (job, check) (kreisfunk_ready{{{chosen}}})", "{{job}} {{check}}")],
            alert="ProcessUnavailable",
        ),
    ]
