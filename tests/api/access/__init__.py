"""Who may do what, at the store as one principal sees it."""
