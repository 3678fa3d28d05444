"""/configuration: settings of municipalities, organisations and departments."""
