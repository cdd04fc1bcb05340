"""Rules of subscriptions and broadcasts: pure, with `now` as an argument."""
