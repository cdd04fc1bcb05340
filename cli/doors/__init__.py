"""The ways by which an event reaches Kreisfunk; each confirms that it is stored, or says why not."""
