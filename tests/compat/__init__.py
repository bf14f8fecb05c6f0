"""The repository as others read it."""
