"""WhatsApp webhook receiver: everything answered with 200 is stored, encrypted, on a quorum queue."""
