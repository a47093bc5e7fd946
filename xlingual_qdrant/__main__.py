"""`python -m xlingual_qdrant`: the command line, where the script is not on the path."""

from xlingual_qdrant.cli import main

main()
