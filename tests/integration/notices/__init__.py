"""The door for municipal systems, as a process with a real broker behind it."""
