"""`kreisfunk tokens`: who may publish over HTTP."""
