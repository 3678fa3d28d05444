"""Delivery channels, one package each, independent of one another; listed in ``registry.py``.

A channel implements ``domain.channel.Channel``: it plans a request, sends a draft through a
provider and reads the provider's delivery reports. Each package holds its requests, its settings
section and one module for each provider.
"""
