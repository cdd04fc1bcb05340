"""Files that container engine, Prometheus and Grafana read."""
