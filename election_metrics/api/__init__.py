"""The read side: HTTP endpoints, a cache that is never stale, a live stream."""
