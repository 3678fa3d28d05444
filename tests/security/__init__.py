"""Findings of an attacker's and a security officer's day with the service, each tried as found."""
