"""The newsroom in the whole system: from an editor's words to the telephones, and back."""
