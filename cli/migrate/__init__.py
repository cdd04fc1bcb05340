"""`kreisfunk migrate`: brings database and broker to the state that this version needs; safe to repeat."""
