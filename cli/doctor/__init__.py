"""`kreisfunk doctor`: checks an installation and gives advice on each problem."""
