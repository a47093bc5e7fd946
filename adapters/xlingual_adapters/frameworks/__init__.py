"""Bridges to other frameworks, one file for each."""
