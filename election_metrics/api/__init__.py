"""The HTTP API: endpoints, a response cache that commits invalidate, a live stream, the page."""
