"""What happens with a message: decide, store, then tell."""
