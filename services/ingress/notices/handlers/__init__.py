"""Handlers of the notices API: authentication, publishing, notice checks and progress."""
