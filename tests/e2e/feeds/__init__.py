"""What a website and a control centre publish reaches citizens' phones."""
