"""Requests and responses as bytes: middleware, parameters, bodies, problems."""
