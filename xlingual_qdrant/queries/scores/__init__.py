"""How near two texts are, what a score means, and how that is learned."""
