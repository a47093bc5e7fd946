"""Collections on the move: to another store, or to another embedder, without losing anything.

from xlingual_qdrant.transfer import move, reembed, verify

move(load_store("local"), load_store("prod"), "support")
"""

from xlingual_qdrant.transfer.comparing import Comparison, Side, verify
from xlingual_qdrant.transfer.moving import MoveReport, move
from xlingual_qdrant.transfer.reembedding import ReembedReport, reembed

__all__ = [
    "Comparison",
    "MoveReport",
    "ReembedReport",
    "Side",
    "move",
    "reembed",
    "verify",
]
