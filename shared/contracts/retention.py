"""Retention periods that citizens are promised and that more than one service has to observe."""

# Maximum age of any data about a delivery, whatever an operator sets.
MAX_DELIVERY_RETENTION_DAYS = 90
# A withdrawal is stored until everything decided before it has been purged for longer than this.
WITHDRAWAL_RETENTION_MARGIN_DAYS = 14
