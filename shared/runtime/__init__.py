"""Process start and drain, probes and metrics, logs and clock."""
