"""What Grafana shows, as code: `python -m deploy.grafana.dashboard` writes the files that it reads."""
