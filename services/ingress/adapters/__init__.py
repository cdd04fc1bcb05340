"""HTTP on one side, the broker on the other, metrics beside them."""
