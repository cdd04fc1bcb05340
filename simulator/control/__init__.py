"""How tests and the page steer the simulator: citizens, faults and the account."""
