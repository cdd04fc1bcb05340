"""Only where the official schemas have been fetched."""

import os

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_ASYNCAPI") == "1" else ["test_*.py"]
