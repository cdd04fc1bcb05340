"""Pictures of the dashboards, drawn from their panels' own queries: `python -m tools.dashboards PROMETHEUS FOLDER`."""

import asyncio
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import cycle, pairwise
from math import ceil, floor, isfinite, log10
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import aiohttp
import jinja2
import typer
from playwright.async_api import async_playwright

from deploy.paths import ROOT

CHROMIUM = os.environ.get("KREISFUNK_TEST_CHROMIUM", "/usr/bin/chromium")
ZONE = ZoneInfo("Europe/Berlin")
WIDTH = 1200
POINTS = 150
# `timeInterval` of the datasource in `deploy/grafana/provisioning`.
SCRAPE_SECONDS = 5
COLORS = ("#1f6fb2", "#d9730d", "#2e8b57", "#a23b8f", "#6f5cc9", "#8c6d1f", "#17a2a2", "#5b6770", "#c2577a", "#7f9a1c")
PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
)
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
# Scales by Grafana's name of a unit, the largest first: size and format.
UNITS: Mapping[str, Sequence[tuple[float, str]]] = {
    "none": ((1, "{}"),),
    "short": ((1e9, "{} Bil"), (1e6, "{} Mil"), (1e3, "{} K"), (1, "{}")),
    "percentunit": ((0.01, "{}%"),),
    "currencyEUR": ((1, "€{}"),),
    "s": ((86_400, "{} d"), (3_600, "{} h"), (60, "{} min"), (1, "{} s"), (1e-3, "{} ms")),
    "bytes": ((2**30, "{} GiB"), (2**20, "{} MiB"), (2**10, "{} KiB"), (1, "{} B")),
    "Bps": ((1e6, "{} MB/s"), (1e3, "{} kB/s"), (1, "{} B/s")),
    "mps": ((1, "{} msg/s"),),
    "reqps": ((1, "{} req/s"),),
    "ops": ((1, "{} ops/s"),),
}


class Query(NamedTuple):
    """An expression and its legend; Grafana substitutes `{{label}}` in it."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """A panel in Grafana's JSON."""

    json: Mapping[str, Any]

    @property
    def title(self) -> str:
        return str(self.json["title"])

    @property
    def is_number(self) -> bool:
        return bool(self.json["type"] == "stat")

    @property
    def defaults(self) -> Mapping[str, Any]:
        defaults: Mapping[str, Any] = self.json["fieldConfig"]["defaults"]
        return defaults

    @property
    def queries(self) -> list[Query]:
        return [Query(target["expr"], target["legendFormat"]) for target in self.json["targets"]]

    @property
    def names(self) -> Mapping[str, str]:
        """Names that replace legends."""
        overrides = self.json["fieldConfig"]["overrides"]
        return {each["matcher"]["options"]: each["properties"][0]["value"] for each in overrides}

    @property
    def limit(self) -> float | None:
        """The value at which the color changes."""
        return next((step["value"] for step in self.defaults["thresholds"]["steps"][1:]), None)

    def is_red(self, value: float) -> bool:
        steps = self.defaults["thresholds"]["steps"]
        return bool([step["color"] for step in steps if step["value"] is None or step["value"] <= value][-1] == "red")


class Dashboard(NamedTuple):
    """A dashboard in Grafana's JSON, named like its file."""

    name: str
    json: dict[str, Any]

    @property
    def panels(self) -> list[Panel]:
        return [Panel(panel) for panel in self.json["panels"]]

    @property
    def annotations(self) -> Mapping[str, str]:
        """Expressions by name, without Grafana's own annotations, which have none."""
        annotations = self.json["annotations"]["list"]
        return {each["name"]: each["target"]["expr"] for each in annotations if "expr" in each.get("target", {})}


BOARDS = [
    Dashboard(file.stem, json.loads(file.read_text()))
    for file in sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
]


@dataclass(frozen=True)
class Period:
    """Seconds since 1970."""

    start: int
    end: int

    @property
    def step(self) -> int:
        return max(SCRAPE_SECONDS, (self.end - self.start) // POINTS)

    def fill_variables(self, expression: str) -> str:
        """Return the expression as Grafana sends it, for all instances."""
        filled = expression.replace("$__range", f"{self.end - self.start}s").replace("$instance", ".*")
        return filled.replace("$__rate_interval", f"{max(self.step, 3 * SCRAPE_SECONDS) + SCRAPE_SECONDS}s")

    def format_times(self) -> list[str]:
        """Return the labels of the axis, at equal distances."""
        moments = [datetime.fromtimestamp(self.start + (self.end - self.start) * part / 4, ZONE) for part in range(5)]
        return [f"{moment:%d.%m. %H:%M}" if self.end - self.start > 86_400 else f"{moment:%H:%M}" for moment in moments]


@dataclass(frozen=True)
class Line:
    """A series with the name that the legend shows."""

    name: str
    points: Sequence[tuple[float, float]]

    def list_figures(self) -> tuple[float, float, float]:
        """Return mean, maximum and last value."""
        values = [value for _, value in self.points]
        return sum(values) / len(values), max(values), values[-1]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A panel with the series from Prometheus."""

    panel: Panel
    lines: Sequence[Line]
    period: Period

    @cached_property
    def ticks(self) -> list[float]:
        return list_ticks(max((line.list_figures()[1] for line in self.lines), default=0), self.panel.defaults["unit"])

    @property
    def colored(self) -> list[tuple[str, Line]]:
        return list(zip(cycle(COLORS), self.lines, strict=False))

    def format(self, value: float) -> str:
        return format_value(round(value) if "decimals" in self.panel.defaults else value, self.panel.defaults["unit"])

    def find_x(self, moment: float) -> float:
        return round(100 * (moment - self.period.start) / (self.period.end - self.period.start), 2)

    def find_y(self, value: float) -> float:
        """Return the distance from the top, in percent."""
        return round(100 - 100 * value / self.ticks[-1], 2)

    def draw_path(self, line: Line) -> str:
        """Return the line as an SVG path, with gaps where values are missing."""
        path = ""
        for (last, _), (moment, value) in pairwise([(0.0, 0.0), *line.points]):
            point = f"{self.find_x(moment)} {self.find_y(value)}"
            path += f"M{point}h0" if moment - last > 1.5 * self.period.step else f"L{point}"
        return path


def format_value(value: float, unit: str) -> str:
    """Return the value in the largest fitting scale of the unit, with three digits."""
    scale, template = _find_scale(value, unit)
    scaled = value / scale
    decimals = min(4, max(0, 2 - floor(log10(abs(scaled))))) if scaled else 0
    figure = f"{scaled:.{decimals}f}"
    return template.format(figure.rstrip("0").rstrip(".") if decimals else figure)


def _find_scale(value: float, unit: str) -> tuple[float, str]:
    scales = UNITS[unit]
    if not value:
        return next((scale for scale in scales if scale[0] == 1), scales[-1])
    return next((scale for scale in scales if abs(value) >= scale[0]), scales[-1])


def list_ticks(top: float, unit: str) -> list[float]:
    """Return round values from 0 to one that is not below `top`."""
    scale, _ = _find_scale(top, unit)
    least = (top or scale) / scale / 4
    power = 10.0 ** floor(log10(least))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * 0.999) * scale
    return [number * step for number in range(ceil((top or scale) / step - 0.001) + 1)]


async def fetch_lines(
    session: aiohttp.ClientSession, url: str, query: Query, period: Period, step: int = 0
) -> list[Line]:
    """Return the series of a query that have a value."""
    expression = period.fill_variables(query.expression)
    params: dict[str, str | int] = {
        "query": expression,
        "start": period.start,
        "end": period.end,
        "step": step or period.step,
    }
    async with session.get(f"{url}/api/v1/query_range", params=params) as response:
        answer = await response.json()
    if answer["status"] != "success":
        raise ValueError(f"{expression}: {answer['error']}")
    lines = [
        Line(format_legend(query.legend, series["metric"]), _read_points(series)) for series in answer["data"]["result"]
    ]
    return [line for line in lines if line.points]


def _read_points(series: Mapping[str, Any]) -> list[tuple[float, float]]:
    return [(moment, float(value)) for moment, value in series["values"] if isfinite(float(value))]


def format_legend(legend: str, labels: Mapping[str, str]) -> str:
    return _LABEL.sub(lambda match: labels.get(match[1], ""), legend)


async def fetch_charts(session: aiohttp.ClientSession, url: str, board: Dashboard, period: Period) -> list[Chart]:
    charts = []
    for panel in board.panels:
        lines = [line for query in panel.queries for line in await fetch_lines(session, url, query, period)]
        named = [Line(panel.names.get(line.name, line.name), line.points) for line in lines]
        charts.append(Chart(panel=panel, lines=named, period=period))
    return charts


async def fetch_broadcasts(session: aiohttp.ClientSession, url: str, period: Period) -> list[float]:
    """Return the minutes in which a notice was accepted."""
    lines = await fetch_lines(session, url, Query(BOARDS[0].annotations["Broadcasts"], ""), period, step=60)
    return [moment for line in lines for moment, _ in line.points]


def render_page(board: Dashboard, charts: Sequence[Chart], broadcasts: Sequence[float], period: Period) -> str:
    template = PAGES.get_template("dashboards.html")
    return template.render(board=board, charts=charts, broadcasts=broadcasts, period=period)


async def save_pictures(url: str, folder: Path, period: Period) -> None:
    async with aiohttp.ClientSession() as session, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        page = await browser.new_page(viewport={"width": WIDTH, "height": 600})
        broadcasts = await fetch_broadcasts(session, url, period)
        for board in BOARDS:
            charts = await fetch_charts(session, url, board, period)
            await page.set_content(render_page(board, charts, broadcasts, period))
            await page.screenshot(path=folder / f"dashboard-{board.name}.png", full_page=True)
        await browser.close()


def main(prometheus: str, folder: Path, minutes: int = 15) -> None:
    """Draw every dashboard over the last minutes, from the server at the address PROMETHEUS, into FOLDER."""
    now = int(time.time())
    asyncio.run(save_pictures(prometheus.rstrip("/"), folder, Period(now - 60 * minutes, now)))


if __name__ == "__main__":
    typer.run(main)
