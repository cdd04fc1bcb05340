"""The dashboard "Dispatcher"; run as a module it writes the JSON that Grafana reads."""

import json
from pathlib import Path

from deploy.grafana.panels import Json, Panel, Query, build_quantiles, place_panels

FILE = Path(__file__).parent / "dashboards" / "dispatcher.json"
PREFIX = "kreisfunk_dispatcher"

NUMBERS = (
    Panel(
        title="Unaccounted",
        description="Recipients of ended broadcasts of whom the ledger knows nothing. Anything but 0 is a fault.",
        unit="none",
        queries=[Query(f"max({PREFIX}_unaccounted)", "unaccounted")],
        width=6,
        height=4,
        alarm_above=1,
    ),
    Panel(
        title="Unknown outcomes",
        description="Requests in the shown time after which nobody can say yet whether Meta took the message.",
        unit="none",
        queries=[Query(f'sum(increase({PREFIX}_unknown_outcomes_total{{event="found"}}[$__range]))', "found")],
        width=6,
        height=4,
        alarm_above=1,
    ),
    Panel(
        title="Dead letters",
        description="Messages that no service could handle, and webhooks that nobody could read.",
        unit="none",
        queries=[Query('sum(rabbitmq_detailed_queue_messages{queue=~".+[.]dead|ingress[.]quarantine"})', "messages")],
        width=6,
        height=4,
        alarm_above=1,
    ),
    Panel(
        title="Replicas away",
        description="Dispatchers that Prometheus knows of and cannot reach.",
        unit="none",
        queries=[Query('count(up{job="dispatcher"}) - sum(up{job="dispatcher"})', "away")],
        width=6,
        height=4,
        alarm_above=1,
    ),
)

SENDING = (
    Panel(
        title="Rate",
        description="Messages a second over all replicas: used, permitted now, and Meta's limit for the number.",
        unit="mps",
        queries=[
            Query(f'sum(rate({PREFIX}_sends_total{{result!~"not_sent|expired"}}[$__rate_interval]))', "used"),
            # Replicas report 0 until their first send.
            Query(f"min({PREFIX}_rate_permitted > 0)", "permitted"),
            Query(f"max({PREFIX}_rate_limit)", "limit"),
        ],
    ),
    Panel(
        title="Sends by result",
        description="accepted, or what Meta's answer asked for; unknown: no answer.",
        unit="mps",
        queries=[Query(f"sum by (result) (rate({PREFIX}_sends_total[$__rate_interval]))", "{{result}}")],
    ),
    Panel(
        title="Waiting by lane",
        description="Deliveries that are neither accepted nor ended.",
        unit="short",
        queries=[Query(f"max by (lane) ({PREFIX}_waiting_deliveries)", "{{lane}}")],
    ),
)

TIMES = (
    Panel(
        title="Broadcasts: from publication to acceptance",
        description="From the moment at which the notice was published to Meta's acceptance of each message.",
        unit="s",
        queries=build_quantiles(f"{PREFIX}_publish_to_accepted_seconds", '{lane!="reply"}'),
    ),
    Panel(
        title="Replies: from decision to acceptance",
        description="From the decision about a citizen's message to Meta's acceptance of the answer.",
        unit="s",
        queries=build_quantiles(f"{PREFIX}_publish_to_accepted_seconds", '{lane="reply"}'),
    ),
    Panel(
        title="Meta's answer",
        description="From request to answer.",
        unit="s",
        queries=build_quantiles(f"{PREFIX}_send_seconds"),
    ),
    Panel(
        title="Wait for a lease",
        description="How long a replica waited for the moment at which its share of the rate began.",
        unit="s",
        queries=build_quantiles(f"{PREFIX}_lease_wait_seconds"),
    ),
    Panel(
        title="Slots leased and used",
        description="Leased without being used is rate given away.",
        unit="mps",
        queries=[
            Query(f"sum(rate({PREFIX}_send_slots_reserved_total[$__rate_interval]))", "leased"),
            Query(f"sum(rate({PREFIX}_sends_total[$__rate_interval]))", "used"),
        ],
    ),
    Panel(
        title="Unknown outcomes",
        description="Found: no answer came. Sent again: the statuses have passed the message without naming it.",
        unit="short",
        queries=[Query(f"sum by (event) (increase({PREFIX}_unknown_outcomes_total[$__rate_interval]))", "{{event}}")],
    ),
)

AROUND = (
    Panel(
        title="Statuses",
        description="Reports of sent, delivered, read and failed; unmatched ones belong to no delivery of ours.",
        unit="mps",
        queries=[Query(f"sum by (result) (rate({PREFIX}_statuses_total[$__rate_interval]))", "{{result}}")],
    ),
    Panel(
        title="Queues",
        description="Messages on the broker, in hand ones included. A batch on a lane holds up to 100 recipients.",
        unit="short",
        queries=[
            Query('max by (queue) (rabbitmq_detailed_queue_messages{queue!~".+[.]dead|.+[.]retry[.].+"})', "{{queue}}")
        ],
    ),
    Panel(
        title="Parked and dead messages",
        description="Waiting for another attempt, or given up.",
        unit="short",
        queries=[
            Query('max by (queue) (rabbitmq_detailed_queue_messages{queue=~".+[.]dead|.+[.]retry[.].+"})', "{{queue}}")
        ],
    ),
)

PANELS = (*NUMBERS, *SENDING, *TIMES, *AROUND)


def build_dashboard() -> Json:
    return {
        "uid": "kreisfunk-dispatcher",
        "title": "Dispatcher",
        "tags": ["kreisfunk"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "templating": {"list": [_build_datasource_variable()]},
        "annotations": {"list": []},
        "panels": list(place_panels(PANELS)),
    }


def _build_datasource_variable() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def render() -> str:
    return json.dumps(build_dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(render())
