"""What may come in at the door, from whom, and what is answered: rules without I/O."""
