"""The notices API over HTTP."""
