"""The HTTP API: translates requests to calls of the engine and the store, and their results to
responses."""
