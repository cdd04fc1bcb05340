"""`kreisfunk quarantine`: messages that could not be parsed, to be inspected, replayed or dropped."""
