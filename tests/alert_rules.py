"""Rules of deploy/prometheus/alerts.yml; alerts by name."""

import msgspec

from deploy.paths import ROOT

RULES = [
    rule
    for group in msgspec.yaml.decode((ROOT / "deploy/prometheus/alerts.yml").read_bytes())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
