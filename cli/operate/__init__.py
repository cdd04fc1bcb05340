"""What an operator sees and does while messages are sent: `kreisfunk limits`, `broadcasts`, `unknown`, `templates`."""
