"""Directory: parties with their legal ids, addresses, contact settings and push subscriptions."""
