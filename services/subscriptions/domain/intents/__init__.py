"""What a citizen means: generous for leaving, strict for joining, and pure.

Only words that stand here, spelled as they stand here, ever subscribe anybody. Whatever is merely similar is
asked about. For leaving a similar word is enough.
"""
