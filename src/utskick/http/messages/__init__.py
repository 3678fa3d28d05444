"""Sending, status, progress and receipts."""
