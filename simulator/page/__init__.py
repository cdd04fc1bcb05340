"""The citizens' phones as a web page."""
