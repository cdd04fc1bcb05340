"""Use cases of the dispatcher: lanes, leases, results, statuses, withdrawals."""
