"""Preflight of PDFs that people send: what can be opened, what prints, and what is mended.

PDFs are untrusted, and are parsed only in worker processes under limits (``worker.py``), which
``preflight.py`` talks to. Shared by the channels for paper and for digital mail.
"""
