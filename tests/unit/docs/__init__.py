"""The documentation says what the code says. `python -m tests.unit.docs.generate` writes the generated parts anew."""
