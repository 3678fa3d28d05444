"""E-mail channel: submission over SMTP (RFC 6409) and Microsoft Graph."""
