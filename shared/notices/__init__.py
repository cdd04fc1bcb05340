"""Notices of municipal systems: their registration, and the rules that apply alike over AMQP and HTTP."""
