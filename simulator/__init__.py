"""Simulator of Meta's WhatsApp Business Platform: Graph API, signed webhooks and citizens' phones."""
