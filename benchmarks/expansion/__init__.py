"""How fast a notice becomes batches for a million subscribers, beside what database and broker could do alone."""
