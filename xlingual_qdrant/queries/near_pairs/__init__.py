"""All pairs of vectors that are near, and the groups that pairs make."""
