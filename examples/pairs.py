"""How near are two texts, and do they say the same? The answer is for their two languages."""

from xlingual_qdrant.queries import score_pairs

pairs = [
    ("I love programming", "J'adore la programmation"),
    ("I love programming", "Das Wetter ist schön heute"),
    ("The server is down", "Le serveur est en panne"),
]

for pair in score_pairs(None, pairs):
    verdict = "same" if pair.same else "other"
    print(f"{pair.cosine:.4f} {verdict:<5} | {pair.left} <-> {pair.right}")
