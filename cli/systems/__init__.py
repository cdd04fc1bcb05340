"""`kreisfunk systems`: who may publish notices, and their logins at the broker."""
