"""Translations in two sets of texts that were never lined up."""
