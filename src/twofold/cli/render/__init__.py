"""Showing what a command tells: as text for people or as NDJSON for programs."""
