"""Labels learned in one language, for texts in all the others."""
