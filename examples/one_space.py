"""One question in three languages lies apart from a sentence about something else."""

from xlingual_qdrant import load_embedder

sentences = [
    "How do I reset my password?",
    "Comment réinitialiser mon mot de passe ?",
    "Wie setze ich mein Passwort zurück?",
    "The weather is nice today.",
]

vectors = load_embedder().embed_documents(sentences)
print(vectors.shape)
for sentence, cosine in zip(sentences, vectors @ vectors[0], strict=True):
    print(f"{cosine:.4f} | {sentence}")
