"""Adapters: each imports the core and its own vendor, and never another adapter."""
