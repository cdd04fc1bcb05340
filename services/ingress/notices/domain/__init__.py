"""Rules of the notices API, without I/O: requests accepted, their callers, and the answers."""
