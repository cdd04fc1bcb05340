"""Who is let in, what is done with what they bring, and what they are told of it."""
