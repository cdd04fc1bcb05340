"""`kreisfunk feeds`: what the county's website and warning systems publish anyway becomes notices."""
