"""`kreisfunk publish` and `kreisfunk withdraw`: what a municipal system does, by hand or from a script."""

from cli.publish.command import publish, withdraw

__all__ = ["publish", "withdraw"]
