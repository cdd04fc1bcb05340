"""The dashboard "Service level": whether it works, at a glance."""

from deploy.grafana.dashboard import Dashboard
from deploy.grafana.panels import Panel, Query, build_number

WAY = "kreisfunk_dispatcher_publish_to_accepted_seconds"
LATE, WAITING = "kreisfunk:broadcasts_late:bool", "kreisfunk:broadcasts_waiting:bool"


def _build_burn(window: str) -> Query:
    return Query(
        f"sum_over_time({LATE}[{window}]) / (sum_over_time({WAITING}[{window}]) > 0 or 1 + {LATE}) / 0.05", window
    )


def _build_late_answers(window: str) -> str:
    within = f'sum(increase({WAY}_bucket{{lane="reply",le="10.0"}}[{window}]))'
    return f'1 - {within} / (sum(increase({WAY}_count{{lane="reply"}}[{window}])) > 0)'


PANELS = (
    build_number(
        "Unaccounted",
        "Recipients of ended broadcasts of whom the ledger knows nothing. Anything but 0 is a fault.",
        "none",
        "max(kreisfunk_dispatcher_unaccounted)",
        red_from=1,
        alert="RecipientsUnaccounted",
    ),
    build_number(
        "Unknown outcomes",
        "Requests in the shown time after which nobody can say yet whether Meta took the message.",
        "none",
        'sum(increase(kreisfunk_dispatcher_unknown_outcomes_total{event="found"}[$__range]))',
        red_from=1,
        alert="OutcomesUnknown",
    ),
    build_number(
        "Dead letters",
        "Messages that no service could handle, and webhooks that nobody could read.",
        "none",
        'sum(rabbitmq_detailed_queue_messages{queue=~".+[.]dead|ingress[.]quarantine"})'
        " + max(kreisfunk_subscriptions_dead_letters)",
        red_from=1,
        alert="DeadLetters",
    ),
    build_number(
        "Processes away",
        "Processes that Prometheus knows of and cannot reach.",
        "none",
        "count(up) - sum(up)",
        red_from=1,
        alert="ProcessUnavailable",
    ),
    build_number(
        "Alerts",
        "Alerts that fire now.",
        "none",
        'count(ALERTS{alertstate="firing"}) or vector(0)',
        red_from=1,
    ),
    build_number(
        "Answers within 10 s",
        "Answers to citizens that Meta accepted within 10 s of the decision, in the shown time; promised are 99 %.",
        "percentunit",
        f"1 - ({_build_late_answers('$__range')})",
        red_below=0.99,
        alert="AnswerBudgetBurnsFast",
    ),
    build_number(
        "Broadcasts within 10 s",
        "Messages of broadcasts accepted within 10 s of publication; a large one takes longer at the permitted rate.",
        "percentunit",
        f'sum(increase({WAY}_bucket{{lane!="reply",le="10.0"}}[$__range]))'
        f' / sum(increase({WAY}_count{{lane!="reply"}}[$__range]))',
    ),
    build_number(
        "Waiting at the permitted rate",
        "Share of the time in which a broadcast waits with 95 % of the permitted rate used; promised are 95 %.",
        "percentunit",
        f"1 - sum_over_time({LATE}[$__range]) / (sum_over_time({WAITING}[$__range]) > 0 or 1 + {LATE})",
        red_below=0.95,
        alert="BroadcastBudgetBurnsFast",
    ),
    Panel(
        title="Broadcasts: burn rate",
        description="How many times too fast the budget of waiting is used up; 14.4 in an hour is an alert.",
        unit="none",
        queries=[_build_burn(window) for window in ("5m", "30m", "1h", "6h")],
        width=12,
        red_from=14.4,
        alert="BroadcastBudgetBurnsFast",
    ),
    Panel(
        title="Answers: burn rate",
        description="The same of answers that take longer than 10 s.",
        unit="none",
        queries=[Query(f"({_build_late_answers(window)}) / 0.01", window) for window in ("5m", "30m", "1h", "6h")],
        width=12,
        red_from=14.4,
        alert="AnswerBudgetBurnsFast",
    ),
    Panel(
        title="Services",
        description="Processes that answer, by service.",
        unit="none",
        queries=[Query("sum by (job) (up)", "{{job}}")],
        width=12,
        alert="ServiceUnavailable",
    ),
    Panel(
        title="Retention",
        description="Time since each service had last deleted everything due; the newsroom does so every hour.",
        unit="s",
        queries=[
            Query(f"time() - max(kreisfunk_{service}_retention_timestamp_seconds)", service)
            for service in ("subscriptions", "dispatcher", "newsroom")
        ],
        width=12,
        alert="RetentionStalled",
    ),
)
SERVICE_LEVEL = Dashboard(
    name="service-level",
    title="Kreisfunk: service level",
    description="Whether the promises are kept.",
    panels=PANELS,
    hours="now-6h",
)
