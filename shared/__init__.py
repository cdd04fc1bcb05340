"""Building blocks without a business word, and the contracts between the services."""
