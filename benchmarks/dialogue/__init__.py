"""How well texts are understood that were not seen before, and what it costs."""
