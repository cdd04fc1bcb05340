"""What municipal systems may publish: their registration, and the rules that every door applies alike."""
