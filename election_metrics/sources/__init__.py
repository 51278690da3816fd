"""Where transactions come from. Sources find files and say what they are; they never read a transaction."""
