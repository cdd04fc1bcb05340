"""Commands for operators while messages are sent: `kreisfunk sending`, `broadcasts`, `deliveries`, `templates`."""
