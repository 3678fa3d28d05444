"""What must survive a crash: SQL, one file per noun. PostgreSQL only."""
