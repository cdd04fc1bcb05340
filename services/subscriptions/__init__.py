"""Subscriptions service: who subscribed to what, and who gets which broadcast."""
