"""Data packages: an election as files that anybody can check without this system."""
