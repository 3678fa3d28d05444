"""The event feed and webhooks."""
