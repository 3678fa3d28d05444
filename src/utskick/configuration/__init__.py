"""How a channel works for a unit: the service's settings, and what municipalities, organisations
and departments say over them."""
