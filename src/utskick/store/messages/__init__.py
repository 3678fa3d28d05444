"""Acceptance, deliveries, attempts, receipts, print batches and contents."""
