"""Pictures of figures; matplotlib draws them, from the extra `plots`."""
