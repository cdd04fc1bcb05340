"""Notices on their way from every system to the telephones, steered while they are sent, in the whole system."""
