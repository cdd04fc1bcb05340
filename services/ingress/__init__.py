"""Receives WhatsApp's webhooks: what was answered with 200 is on a quorum queue, sealed."""
