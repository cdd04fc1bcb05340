"""HTTP on one side, the broker and the tokens' file on the other, metrics beside them."""
