"""Simulated SMS gateways of LINK, Telia and 46elks."""
