"""How near are two texts? The cosine of their vectors says it, across languages."""

from xlingual_qdrant import load_embedder

pairs = [
    ("I love programming", "J'adore la programmation"),
    ("I love programming", "Das Wetter ist schön heute"),
    ("The server is down", "Le serveur est en panne"),
]

embedder = load_embedder()
left = embedder.embed_documents([a for a, _ in pairs])
right = embedder.embed_documents([b for _, b in pairs])
for (a, b), cosine in zip(pairs, (left * right).sum(axis=1), strict=True):
    print(f"{cosine:.4f} | {a} <-> {b}")
