"""Webhooks as Meta posts them to the business: payloads, signatures, batches and their delivery."""
