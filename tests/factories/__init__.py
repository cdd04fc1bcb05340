"""Builders of messages, notices, webhooks and people for more than one kind of test."""
