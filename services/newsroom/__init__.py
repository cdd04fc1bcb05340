"""Newsroom: where a press office writes, approves and watches notices, and where the public finds them again."""
