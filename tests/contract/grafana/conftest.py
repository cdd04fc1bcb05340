"""Only where Grafana's types have been fetched."""

import os

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_GRAFANA") == "1" else ["test_*.py"]
