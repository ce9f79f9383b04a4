"""Changes: what they plan to do to the graph, what they hit, how risky they are, what they collide with."""
