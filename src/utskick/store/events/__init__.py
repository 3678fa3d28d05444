"""The event feed, webhooks and their calls."""
