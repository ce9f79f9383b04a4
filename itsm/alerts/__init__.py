"""Alerts of monitoring tools: received, kept, folded, and made incidents of."""
