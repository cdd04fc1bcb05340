"""The door as HTTP."""
