"""Image, local stacks, configuration and releases; the version of the whole repository."""

VERSION = "0.1.0"
