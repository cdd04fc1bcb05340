"""Pure rules of sending: no clock, no I/O."""
