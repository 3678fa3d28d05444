"""The HTTP API.

Translates requests to calls of the engine and the store, and their results to responses.
"""
