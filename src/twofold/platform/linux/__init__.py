"""Linux behind the platform door; begins with ``door``."""
