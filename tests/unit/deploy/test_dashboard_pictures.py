"""The dashboards as pictures know every variable and every unit of the dashboards."""

from deploy.grafana.dashboard import BOARDS
from tools.dashboards import UNITS, Chart, Line, Period, render_page

PERIOD = Period(1_800_000_000, 1_800_000_600)
PLACE = {"x": 0, "y": 0, "w": 8, "h": 8}
PANELS = [panel for dashboard in BOARDS for panel in dashboard.panels]


def test_variables_are_filled_in_as_grafana_does() -> None:
    assert PERIOD.fill_variables('rate(x{instance=~"$instance"}[$__rate_interval])') == 'rate(x{instance=~".*"}[20s])'
    assert PERIOD.fill_variables("increase(x[$__range])") == "increase(x[600s])"
    expressions = [query.expression for panel in PANELS for query in panel.queries]
    assert not [each for each in expressions if "$" in PERIOD.fill_variables(each)]


def test_the_page_shows_every_panel_in_its_unit() -> None:
    assert {panel.unit for panel in PANELS} == set(UNITS)
    line = Line("die Hälfte", [(PERIOD.start, 2), (PERIOD.end, 4)])
    charts = [Chart(panel=panel, place=PLACE, lines=[line], period=PERIOD) for panel in PANELS]
    page = render_page(BOARDS[0], charts, [PERIOD.start + 60], PERIOD)
    assert page.count("die Hälfte") >= len([panel for panel in PANELS if not panel.number])
