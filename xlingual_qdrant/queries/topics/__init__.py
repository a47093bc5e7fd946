"""Topics of a collection, across its languages."""
