"""Web message channel: messages in a case of the e-service platform Open-E."""
