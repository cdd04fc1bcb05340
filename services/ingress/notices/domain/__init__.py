"""What may come in at the notices API, from whom, and what is answered: rules without I/O."""
