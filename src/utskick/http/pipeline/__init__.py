"""What every call passes: routing, authorisation, rate limit, audit, health."""
