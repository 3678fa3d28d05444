"""How each channel is spoken; none knows another. The register stands in ``register.py``."""
