"""Digital invoices."""
