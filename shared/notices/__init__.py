"""Notices of municipal systems: their registration, and the rules that apply alike to AMQP, HTTP and the CLI."""
