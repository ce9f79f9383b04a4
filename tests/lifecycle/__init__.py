"""Processes over records, through their public doors, on the embedded store."""
