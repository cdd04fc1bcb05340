"""Contracts between the services: messages, their envelope, ids, and the registry of all types.

A message is a frozen msgspec Struct that travels as `data` of a CloudEvent 1.0 in structured JSON. Its type name ends
in a version: readers ignore unknown fields, optional fields may be added, anything else is a new version.
"""
