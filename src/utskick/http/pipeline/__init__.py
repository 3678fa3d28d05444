"""Stages of every call: routing, authorization, rate limit and audit; and health checks."""
