"""Image, local stacks, configuration and releases. The version is that of everything here."""

VERSION = "0.1.0"
