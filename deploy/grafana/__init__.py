"""Grafana's dashboard as code; `python -m deploy.grafana.dashboard` writes the JSON that Grafana reads."""
