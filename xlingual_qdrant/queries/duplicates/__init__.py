"""Texts that say the same: found, told apart, kept once."""
