"""Ours beside the limit and beside what people use instead, in one run."""
