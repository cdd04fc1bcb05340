"""Only where the tools have been fetched."""

import os

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_PUBLICATION") else ["test_*.py"]
