"""The OpenAPI document and the pages that serve it."""
