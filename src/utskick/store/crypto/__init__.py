"""Envelope encryption of personal data: cipher, columns, keys."""
