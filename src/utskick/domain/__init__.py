"""Nouns and rules of the product. No I/O, and no imports from other packages of Utskick."""
