"""HTTP server of the notices API."""
