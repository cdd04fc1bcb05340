"""The dashboard "Subscriptions": citizens' messages, consents, notices and their audiences."""

from deploy.grafana.dashboard import Dashboard
from deploy.grafana.panels import INSTANCE, Panel, Query, build_process_panels, build_quantiles

PREFIX = "kreisfunk_subscriptions"

PANELS = (
    Panel(
        title="People",
        description="By state of their consent.",
        unit="short",
        queries=[Query(f"max by (state) ({PREFIX}_subscribers)", "{{state}}")],
    ),
    Panel(
        title="Subscribers by topic",
        description="People who get the notices of a topic.",
        unit="short",
        queries=[Query(f"max by (topic) ({PREFIX}_topic_subscribers)", "{{topic}}")],
    ),
    Panel(
        title="Citizens' messages",
        description="By outcome.",
        unit="mps",
        queries=[
            Query(f"sum by (outcome) (rate({PREFIX}_inbound_total{{{INSTANCE}}}[$__rate_interval]))", "{{outcome}}")
        ],
        alert="OptOutsUnusual",
    ),
    Panel(
        title="Answers: from decision to acceptance",
        description="From the decision about a citizen's message to Meta's acceptance of the answer.",
        unit="s",
        queries=build_quantiles("kreisfunk_dispatcher_publish_to_accepted_seconds", 'lane="reply"'),
        alert="AnswerBudgetBurnsFast",
    ),
    Panel(
        title="Messages that wait",
        description="On the queues that subscriptions reads.",
        unit="short",
        queries=[
            Query('max by (queue) (rabbitmq_detailed_queue_messages{queue=~"subscriptions[.][a-z]+"})', "{{queue}}")
        ],
        alert="QueueNotWorkedOff",
    ),
    Panel(
        title="Dead letters",
        description="Citizens' messages that could not be handled.",
        unit="none",
        queries=[Query(f"max({PREFIX}_dead_letters)", "dead letters")],
        red_from=1,
        alert="DeadLetters",
    ),
    Panel(
        title="Notices",
        description="By result.",
        unit="mps",
        queries=[
            Query(f"sum by (result) (rate({PREFIX}_notices_total{{{INSTANCE}}}[$__rate_interval]))", "{{result}}")
        ],
    ),
    Panel(
        title="Expansion",
        description="Recipients handed to the dispatcher a second, and broadcasts whose audience is being read.",
        unit="short",
        queries=[
            Query(
                f"sum(rate({PREFIX}_expanded_recipients_total{{{INSTANCE}}}[$__rate_interval]))", "recipients a second"
            ),
            Query(f"max({PREFIX}_expanding)", "broadcasts"),
        ],
    ),
    Panel(
        title="Oldest data",
        description="Age of the oldest kept row, by kind; the periods are in the data protection page.",
        unit="s",
        queries=[Query(f"max by (kind) ({PREFIX}_retention_oldest_age_seconds)", "{{kind}}")],
        alert="RetentionStalled",
    ),
    Panel(
        title="Feedback",
        description="Kept feedback, by kind.",
        unit="short",
        queries=[Query(f"max by (kind) ({PREFIX}_feedback)", "{{kind}}")],
    ),
    Panel(
        title="Rows deleted by retention",
        description="By kind.",
        unit="short",
        queries=[
            Query(
                f"sum by (kind) (increase({PREFIX}_retention_deleted_rows_total{{{INSTANCE}}}[$__rate_interval]))",
                "{{kind}}",
            )
        ],
    ),
    Panel(
        title="Inbox",
        description="Age of the oldest handled message; below nine days.",
        unit="s",
        queries=[Query(f"max({PREFIX}_oldest_inbox_seconds)", "oldest")],
        red_from=777_600,
    ),
)
SUBSCRIPTIONS = Dashboard(
    name="subscriptions",
    title="Kreisfunk: subscriptions",
    description="Citizens' messages and consents, notices and their audiences.",
    panels=(*PANELS, *build_process_panels("subscriptions")),
    job="subscriptions",
)
