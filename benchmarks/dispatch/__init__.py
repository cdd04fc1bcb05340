"""The dispatcher beside the limit and beside what people use instead."""
