"""Parties, contact settings, delegates and push subscriptions."""
