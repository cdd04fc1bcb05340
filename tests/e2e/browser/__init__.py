"""The citizens' phones in a real browser.

KREISFUNK_TEST_BROWSER=1 python -m pytest tests/e2e/browser
"""
