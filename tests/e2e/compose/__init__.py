"""`docker compose up` from nothing: `make smoke`, `make cluster-test` and `make update-test FROM=…`."""
