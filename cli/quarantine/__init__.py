"""`kreisfunk quarantine`: what was not understood, for a person to look at, send again or drop."""
