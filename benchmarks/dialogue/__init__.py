"""Accuracy and cost of intent detection on unseen texts."""
