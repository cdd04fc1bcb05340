"""`kreisfunk setup`: leads through Meta, from the first token to the first message."""
