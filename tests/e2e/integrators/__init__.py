"""What integrators read and copy works as it stands."""
