"""The contents of a release, and its preconditions."""
