"""OAuth 2.0: scopes, verification of access tokens, and the embedded issuer."""
