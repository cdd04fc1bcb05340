"""`kreisfunk migrate`: brings database and broker to what this version needs; safe to repeat."""
