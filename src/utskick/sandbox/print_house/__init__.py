"""A printing house, simulated: SFTP inbox, print batches and their pages."""
