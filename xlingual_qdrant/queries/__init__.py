"""Questions to texts in many languages, one room for each kind of question."""
