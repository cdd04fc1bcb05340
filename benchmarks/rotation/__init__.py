"""Speed of encrypting a million addresses with a new key on an otherwise idle database."""
