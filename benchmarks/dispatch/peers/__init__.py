"""The same messages sent by task queues: each module is a worker's application, and fills its queue when run.

They keep no ledger, know no "Stop" and no rate, and give the broker one message for each recipient.
"""
