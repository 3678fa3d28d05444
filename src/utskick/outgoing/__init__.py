"""Outgoing HTTP: client, OAuth 2.0 tokens, address checks and settings types.

Shared by channels, directory and webhooks.
"""
