"""The documentation says what the code says. `python -m tools.docs.generate` writes the generated parts anew."""
