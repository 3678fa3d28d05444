"""Mutation testing: small faults in the code, one at a time, that the tests should notice.

docs/explanation/mutants.md says how to run it. The Python operators are those of cosmic-ray.
"""
