"""The dashboard "Delivery": the dispatcher."""

from deploy.grafana.dashboard import Dashboard
from deploy.grafana.panels import INSTANCE, Panel, Query, build_process_panels, build_quantiles

PREFIX = "kreisfunk_dispatcher"

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
        alert="BroadcastBudgetBurnsFast",
    ),
    Panel(
        title="Sends by result",
        description="accepted, or what Meta's answer asked for; unknown: no answer.",
        unit="mps",
        queries=[Query(f"sum by (result) (rate({PREFIX}_sends_total{{{INSTANCE}}}[$__rate_interval]))", "{{result}}")],
        alert="SenderStopped",
    ),
    Panel(
        title="Waiting by lane",
        description="Deliveries that are neither accepted nor ended. Bulk may wait for the permitted hours.",
        unit="short",
        queries=[Query(f"max by (lane) ({PREFIX}_waiting_deliveries)", "{{lane}}")],
        alert="BulkStalled",
    ),
)
TIMES = (
    Panel(
        title="Broadcasts: from publication to acceptance",
        description="From the moment at which the notice was published to Meta's acceptance of each message.",
        unit="s",
        queries=build_quantiles(f"{PREFIX}_publish_to_accepted_seconds", f'lane!="reply",{INSTANCE}'),
    ),
    Panel(
        title="First of a lane",
        description="How long it has waited: on the broker, or since its retry was due.",
        unit="s",
        queries=[Query(f"max by (lane) ({PREFIX}_lane_oldest_seconds)", "{{lane}}")],
        alert="LaneDelayed",
    ),
    Panel(
        title="Meta's answer",
        description="From request to answer.",
        unit="s",
        queries=build_quantiles(f"{PREFIX}_send_seconds", INSTANCE),
    ),
    Panel(
        title="Wait for a lease",
        description="How long a replica waited for the moment at which its share of the rate began.",
        unit="s",
        queries=build_quantiles(f"{PREFIX}_lease_wait_seconds", INSTANCE),
    ),
    Panel(
        title="Slots leased and used",
        description="Leased without being used is rate given away.",
        unit="mps",
        queries=[
            Query(f"sum(rate({PREFIX}_send_slots_reserved_total{{{INSTANCE}}}[$__rate_interval]))", "leased"),
            Query(f"sum(rate({PREFIX}_sends_total{{{INSTANCE}}}[$__rate_interval]))", "used"),
        ],
    ),
    Panel(
        title="Slots not used",
        description="By reason; nothing: there was nothing to send in time.",
        unit="mps",
        queries=[
            Query(
                f"sum by (reason) (rate({PREFIX}_send_slots_unused_total{{{INSTANCE}}}[$__rate_interval]))",
                "{{reason}}",
            )
        ],
    ),
    Panel(
        title="What bounds sending",
        description="Replicas by what bounds them: the rate, requests in flight, nothing to send, a pause.",
        unit="none",
        queries=[
            Query(
                f"sum by ({PREFIX}_send_bound_by) ({PREFIX}_send_bound_by{{{INSTANCE}}})",
                "{{" + f"{PREFIX}_send_bound_by" + "}}",
            )
        ],
    ),
    Panel(
        title="Unknown outcomes",
        description="Found: no answer came. Sent again: the statuses have passed the message without naming it.",
        unit="short",
        queries=[
            Query(
                f"sum by (event) (increase({PREFIX}_unknown_outcomes_total{{{INSTANCE}}}[$__rate_interval]))",
                "{{event}}",
            ),
            Query(f"max({PREFIX}_unknown_oldest_seconds)", "age of the oldest in seconds"),
        ],
        alert="OutcomesUnknown",
    ),
    Panel(
        title="Statuses",
        description="Reports of sent, delivered, read and failed; unmatched ones belong to no delivery of ours.",
        unit="mps",
        queries=[
            Query(f"sum by (result) (rate({PREFIX}_statuses_total{{{INSTANCE}}}[$__rate_interval]))", "{{result}}")
        ],
        alert="RowsRefused",
    ),
)
DELIVERY = Dashboard(
    name="delivery",
    title="Kreisfunk: delivery",
    description="How fast is sent, and what keeps it from being faster.",
    panels=(*SENDING, *TIMES, *build_process_panels("dispatcher")),
    job="dispatcher",
)
