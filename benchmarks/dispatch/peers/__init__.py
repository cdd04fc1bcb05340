"""The same messages sent by task queues: each module is a worker's application, and fills its queue when run.

They have no ledger, no "Stop" and no rate limit, and give the broker one message for each recipient.
"""
