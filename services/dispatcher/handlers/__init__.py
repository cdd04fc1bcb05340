"""What happens when: lanes, leases, results, statuses, stops."""
