"""Message channel: routes by the recipient's contact settings."""
