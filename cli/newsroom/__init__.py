"""`kreisfunk newsroom`: accounts of the newsroom, at the server."""
