"""All dashboards."""

from pathlib import Path

from deploy.grafana.boards.delivery import DELIVERY
from deploy.grafana.boards.feeds import FEEDS
from deploy.grafana.boards.ingress import INGRESS
from deploy.grafana.boards.limits import LIMITS
from deploy.grafana.boards.newsroom import NEWSROOM
from deploy.grafana.boards.press import PRESS
from deploy.grafana.boards.servers import SERVERS
from deploy.grafana.boards.service_level import SERVICE_LEVEL
from deploy.grafana.boards.subscriptions import SUBSCRIPTIONS

FOLDER = Path(__file__).parents[1] / "dashboards"
BOARDS = (SERVICE_LEVEL, PRESS, DELIVERY, INGRESS, SUBSCRIPTIONS, LIMITS, FEEDS, SERVERS, NEWSROOM)
