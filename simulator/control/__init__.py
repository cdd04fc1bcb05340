"""The control API through which tests and the page steer the simulator: citizens, faults and the account."""
