"""Speed of expanding a notice to a million subscribers, compared with database and broker alone."""
