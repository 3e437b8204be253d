"""Complete runs, composed from the packages below."""
