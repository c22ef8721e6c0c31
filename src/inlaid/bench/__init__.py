"""Measurements, as JSON lines."""
