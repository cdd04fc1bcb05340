"""Every dialogue, played by citizens' phones against the real system; what counts is what the phone shows."""
