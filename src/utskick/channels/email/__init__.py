"""E-mail: SMTP and Microsoft Graph."""
