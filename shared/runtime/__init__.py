"""Process runtime: start and drain, settings, probes, logs, clock, HTTP server and client."""
