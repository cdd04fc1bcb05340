"""The door for municipal systems: notices over HTTP, on a port of its own."""
