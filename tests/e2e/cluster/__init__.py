"""Three brokers and three databases in containers, of which some are killed during a broadcast."""
