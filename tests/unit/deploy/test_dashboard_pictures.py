"""The dashboards as pictures, without Prometheus and browser."""

import pytest

from deploy.grafana.dashboard import BOARDS
from deploy.grafana.panels import Panel
from tools.dashboards import UNITS, Chart, Line, Period, format_legend, format_value, list_ticks, render_page

PERIOD = Period(1_800_000_000, 1_800_000_600)
PLACE = {"x": 0, "y": 0, "w": 8, "h": 8}


def draw(*lines: Line, **options: float | str) -> Chart:
    described = {"title": "Bis zur Antwort", "description": "", "unit": "s", **options}
    return Chart(panel=Panel(**described), place=PLACE, lines=lines, period=PERIOD)  # type: ignore[arg-type]


def test_variables_are_filled_in_as_grafana_does() -> None:
    assert PERIOD.fill_variables('rate(x{instance=~"$instance"}[$__rate_interval])') == 'rate(x{instance=~".*"}[20s])'
    assert PERIOD.fill_variables("increase(x[$__range])") == "increase(x[600s])"
    day = Period(PERIOD.end - 86_400, PERIOD.end)
    assert day.fill_variables("[$__rate_interval]") == f"[{day.step + 5}s]"


def test_no_expression_keeps_a_variable() -> None:
    expressions = [query.expression for board in BOARDS for panel in board.panels for query in panel.queries]
    assert not [each for each in expressions if "$" in PERIOD.fill_variables(each)]


def test_every_unit_is_known() -> None:
    assert {panel.unit for board in BOARDS for panel in board.panels} == set(UNITS)


def test_a_label_takes_its_place_in_the_legend() -> None:
    assert format_legend("{{job}} {{ check }}", {"job": "ingress", "check": "broker"}) == "ingress broker"
    assert format_legend("{{result}}", {}) == ""


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (3120.4, "none", "3120"),
        (3120.4, "short", "3.12 K"),
        (0, "s", "0 s"),
        (0.0023, "s", "2.3 ms"),
        (75, "s", "1.25 min"),
        (0.995, "percentunit", "99.5%"),
        (12.4, "currencyEUR", "€12.4"),
        (3 * 2**29, "bytes", "1.5 GiB"),
        (79.98, "mps", "80 msg/s"),
    ],
)
def test_a_value_is_written_in_its_unit(value: float, unit: str, written: str) -> None:
    assert format_value(value, unit) == written


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("top", [0, 0.0004, 0.3, 1, 79.9, 80, 4_321, 5e8])
def test_an_axis_reaches_the_highest_value_in_a_few_steps(top: float, unit: str) -> None:
    ticks = list_ticks(top, unit)
    assert ticks[0] == 0
    assert ticks[-1] >= top * 0.999
    assert 3 <= len(ticks) <= 6
    assert len({format_value(tick, unit) for tick in ticks}) == len(ticks)


def test_a_line_has_a_gap_where_values_are_missing() -> None:
    chart = draw(Line("p50", [(PERIOD.start, 0), (PERIOD.start + 5, 2), (PERIOD.end, 4)]))
    assert chart.draw_path(chart.lines[0]) == "M0.0 100.0h0L0.83 50.0M100.0 0.0h0"


def test_a_number_is_red_beyond_its_limit() -> None:
    assert [draw(red_from=1).is_red(value) for value in (0, 1)] == [False, True]
    assert [draw(red_below=0.99).is_red(value) for value in (0.98, 0.99)] == [True, False]
    assert not draw().is_red(5)


def test_the_page_shows_what_there_is() -> None:
    full = draw(Line("die Hälfte", [(PERIOD.start, 2)]), red_from=1)
    red = draw(Line("", [(PERIOD.start, 2)]), number="x", red_from=1)
    page = render_page(BOARDS[0], [full, red, draw()], [PERIOD.start + 60], PERIOD)
    assert page.count('stroke="#c4162a"') == page.count('class="number red"') == page.count("No data") == 1
    assert "die Hälfte" in page
