"""E-mail: SMTP."""
