"""Webhooks out: who wants to hear of which changes, and the delivery of CloudEvents to them."""
