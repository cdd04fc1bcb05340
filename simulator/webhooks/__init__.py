"""What Meta would post to the business: payloads, signatures, batches and their delivery."""
