"""The notices API as a process with a real broker behind it."""
