"""Speed of expanding a notice to a million subscribers, beside the speed of database and broker alone."""
