"""REST, only where convention wants it: health, metrics, attachments, exports, webhooks in, sign-in."""
