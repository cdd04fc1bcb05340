"""`kreisfunk feeds`: notices from the feeds of the county's website and from public warnings."""
