"""OAuth2: who may call what. Scopes, tokens that are verified, and the embedded issuer that gives
them out."""
