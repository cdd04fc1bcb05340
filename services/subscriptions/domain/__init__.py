"""The rules of subscribing and of broadcasts: pure, and `now` is an argument."""
