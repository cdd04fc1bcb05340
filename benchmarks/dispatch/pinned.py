"""`python -m benchmarks.dispatch.pinned CORE PROGRAM ARGUMENTS…`: runs the program with all its threads on one core."""

import os
import sys

if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the benchmark's own command line
