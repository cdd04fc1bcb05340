"""Retention periods that are promised to citizens and bind more than one service."""

# Maximum age of any data about a delivery, whatever an operator sets.
MAX_DELIVERY_RETENTION_DAYS = 90
# A withdrawal is stored for this many days longer than everything decided before it.
WITHDRAWAL_RETENTION_MARGIN_DAYS = 14
