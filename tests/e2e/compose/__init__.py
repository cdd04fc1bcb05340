"""`docker compose up` from nothing, and the main job on it.

KREISFUNK_TEST_COMPOSE=1 python -m pytest tests/e2e/compose
"""
