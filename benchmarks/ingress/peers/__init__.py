"""What people use instead; run with the interpreter of `.local/benchmark-ingress-venv`."""
