"""The rules of sending. Pure: no clock, no I/O."""
