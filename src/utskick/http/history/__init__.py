"""Conversations, user messages and statistics."""
