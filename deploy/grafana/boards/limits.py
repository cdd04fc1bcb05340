"""The dashboard "Limits and cost": what Meta permits, says of the account, and bills."""

from deploy.grafana.dashboard import Dashboard
from deploy.grafana.panels import Panel, Query, build_number

PREFIX = "kreisfunk_dispatcher"
REFUSALS = "sender|template|recipient|drop"
PRICE = "max by (category) (kreisfunk_subscriptions_message_price_euros)"

PANELS = (
    build_number("Limit", "Meta's limit for the number.", "mps", f"max({PREFIX}_rate_limit)"),
    build_number("Permitted", "What may be sent now.", "mps", f"max({PREFIX}_rate_permitted)"),
    build_number(
        "Sending paused",
        "1 while nothing but a probe is sent.",
        "none",
        f"max({PREFIX}_sending_paused)",
        red_from=1,
        alert="SendingPaused",
    ),
    build_number(
        "Meta not reachable",
        "Longest time without an answer, of all dispatchers.",
        "s",
        f"max({PREFIX}_meta_unreachable_seconds)",
        red_from=60,
        alert="MetaUnreachable",
    ),
    Panel(
        title="Too fast",
        description="Answers of Meta that ask for a lower rate, for all or for one person (pair).",
        unit="mps",
        queries=[
            Query(
                f'sum by (result) (rate({PREFIX}_sends_total{{result=~"slower|pair|again"}}[$__rate_interval]))',
                "{{result}}",
            )
        ],
    ),
    Panel(
        title="Refused",
        description="Answers of Meta that refuse the sender, a template or a recipient.",
        unit="mps",
        queries=[
            Query(
                f'sum by (result) (rate({PREFIX}_sends_total{{result=~"{REFUSALS}"}}[$__rate_interval]))',
                "{{result}}",
            )
        ],
        alert="SenderStopped",
    ),
    Panel(
        title="What Meta says of the account",
        description="Changes by meaning, in the last day.",
        unit="short",
        queries=[Query(f"max by (update) (increase({PREFIX}_account_updates_total[1d]))", "{{update}}")],
        alert="AccountLimitLowered",
    ),
    Panel(
        title="Delivered messages",
        description="In the last day, by the category that Meta bills; service is free.",
        unit="short",
        queries=[Query(f"sum by (category) (increase({PREFIX}_billed_messages_total[1d]))", "{{category}}")],
    ),
    Panel(
        title="Cost",
        description="Of the last day: delivered messages, by the price in the county's file.",
        unit="currencyEUR",
        queries=[
            Query(
                f"sum by (category) (increase({PREFIX}_billed_messages_total[1d])) * on (category) {PRICE}",
                "{{category}}",
            )
        ],
    ),
    Panel(
        title="Price of a message",
        description="As configured.",
        unit="currencyEUR",
        queries=[Query(PRICE, "{{category}}")],
    ),
    Panel(
        title="Requests that may be in flight",
        description="Of each dispatcher; see what bounds sending on the dashboard on delivery.",
        unit="none",
        queries=[Query(f"{PREFIX}_max_requests_in_flight", "{{instance}}")],
    ),
    Panel(
        title="Account webhooks",
        description="By Meta's field, in the last day.",
        unit="short",
        queries=[Query(f"sum by (field) (increase({PREFIX}_account_events_total[1d]))", "{{field}}")],
    ),
)
LIMITS = Dashboard(
    name="limits",
    title="Kreisfunk: limits and cost",
    description="What Meta permits, what it says of the account, and what it will bill.",
    panels=PANELS,
    hours="now-24h",
    refresh="1m",
)
