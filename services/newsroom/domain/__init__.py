"""Rules of the newsroom: pure, with `now` and randomness as arguments."""
