"""Who subscribed to what, and who gets which broadcast."""
