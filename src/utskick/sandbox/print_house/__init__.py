"""Simulator of a print house: SFTP inbox, print batches and rendered pages."""
