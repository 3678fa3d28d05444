"""Extract and erasure of a person (GDPR articles 15 and 17)."""
