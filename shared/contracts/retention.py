"""What citizens are promised about their data and more than one service has to keep."""

# The longest that anything is kept about a delivery, whatever an operator sets.
MAX_DELIVERY_RETENTION_DAYS = 90
# What was decided before a withdrawal is gone for longer than this when the note of the withdrawal goes.
WITHDRAWAL_RETENTION_MARGIN_DAYS = 14
