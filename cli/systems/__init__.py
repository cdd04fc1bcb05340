"""`kreisfunk systems`: registered municipal systems, and their logins at the broker."""
