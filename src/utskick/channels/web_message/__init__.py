"""Web messages into a case of the municipality's e-service platform (Open-E)."""
