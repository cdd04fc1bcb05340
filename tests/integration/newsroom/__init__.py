"""The newsroom between a real database, a real broker and the real notices API."""
