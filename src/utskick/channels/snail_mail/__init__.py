"""Physical letters: a print batch handed over to a printing house as files."""
