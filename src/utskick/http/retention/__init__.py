"""Retention rules, the retention log and legal holds."""
