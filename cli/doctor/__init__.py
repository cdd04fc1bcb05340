"""`kreisfunk doctor`: check an installation and give advice on each problem."""
