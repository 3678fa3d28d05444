"""The token endpoint and metadata of the embedded issuer."""
