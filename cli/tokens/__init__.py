"""`kreisfunk tokens`: tokens for publishing over HTTP."""
