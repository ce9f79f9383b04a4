"""Incidents, changes, alerts: what they are made of, by itself."""
