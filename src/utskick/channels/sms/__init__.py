"""SMS: GSM gateways over HTTP."""
